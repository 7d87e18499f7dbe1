"""all-MiniLM-L6-v2 in integers, in numpy: a second implementation of the import, which makes expected.json.

    python3 -m pip install numpy==2.4.6 scipy==1.17.1 safetensors==0.8.0 tokenizers==0.23.3
    python3 models/minilm/reference.py $(cargo xtask fetch minilm) > models/minilm/expected.json

Double precision, one text at a time. Products of integers are taken in float64: every sum stays below 2^53, so they are exact.
"""

import hashlib
import json
import os
import re
import sys

import numpy as np
from safetensors.numpy import load_file
from scipy.special import erf
from tokenizers import Tokenizer

HERE = os.path.dirname(os.path.abspath(__file__))
LAYERS, WIDTH, HEADS, SEQUENCE = 6, 384, 12, 32
HEAD = WIDTH // HEADS
LIMITS = {"i8": (-128, 127), "i16": (-(2**15), 2**15 - 1), "i32": (-(2**31), 2**31 - 1)}
TYPES = {"i8": "<i1", "i16": "<i2", "i32": "<i4"}
TEXTS = [
    "The mill grinds slowly, but it grinds exceedingly fine.",
    "A quern is a pair of stones for grinding grain by hand.",
    "Wer prüft, wer's gemahlen hat? Nobody asked 42 times...",
]
# 2^(30 - f/256), rounded: the floats are exact enough, which the comparison below shows.
EXP2 = np.array([round(2.0 ** (30 - f / 256)) for f in range(256)], np.int64)


# --- the float model -------------------------------------------------------------------------------------------------


def gelu(x):
    return x * 0.5 * (1 + erf(x / np.sqrt(2)))


def layer_norm(x, gamma, beta):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12) * gamma + beta


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def names(layer):
    p = f"encoder.layer.{layer}."
    a = p + "attention."
    return [a + "self.query", a + "self.key", a + "self.value", a + "output.dense", p + "intermediate.dense", p + "output.dense"]


def run_float(W, ids, see):
    def dense(x, name):
        return x @ W[name + ".weight"].T + W[name + ".bias"]

    def norm(x, name):
        return layer_norm(x, W[name + ".weight"], W[name + ".bias"])

    def heads(t):
        return t.reshape(len(ids), HEADS, HEAD).transpose(1, 0, 2)

    e = "embeddings."
    x = W[e + "word_embeddings.weight"][ids] + positions(W)[: len(ids)]
    x = norm(x, e + "LayerNorm")
    for layer in range(LAYERS):
        query, key, value, attention, rise, fall = names(layer)
        see(layer, "input", x)
        q, k, v = dense(x, query), dense(x, key), dense(x, value)
        see(layer, "query", q), see(layer, "key", k), see(layer, "value", v)
        scores = heads(q) @ heads(k).transpose(0, 2, 1) / np.sqrt(HEAD)
        see(layer, "scores", scores.reshape(-1, 1))
        context = (softmax(scores) @ heads(v)).transpose(1, 0, 2).reshape(len(ids), WIDTH)
        see(layer, "context", context)
        x = x + dense(context, attention)
        see(layer, "attended", x)
        x = norm(x, f"encoder.layer.{layer}.attention.output.LayerNorm")
        see(layer, "middle", x)
        h = dense(x, rise)
        see(layer, "hidden", h), see(layer, "active", gelu(h))
        x = x + dense(gelu(h), fall)
        see(layer, "output", x)
        x = norm(x, f"encoder.layer.{layer}.output.LayerNorm")
    see(LAYERS, "input", x)


def positions(W):
    return W["embeddings.position_embeddings.weight"] + W["embeddings.token_type_embeddings.weight"][0]


# --- from floats to integers -----------------------------------------------------------------------------------------


class Seen:
    def __init__(self):
        self.least, self.most = {}, {}

    def __call__(self, layer, site, x):
        at = layer, site
        self.most[at] = np.maximum(self.most.get(at, -np.inf), x.max(0))
        self.least[at] = np.minimum(self.least.get(at, np.inf), x.min(0))

    def sizes(self, layer, site):
        return np.maximum(np.maximum(self.most[layer, site], -self.least[layer, site]), 1e-6)


def ratios(r):
    shift = int(np.clip(np.floor(30 - np.log2(np.abs(r).max())), 1, 47))
    return np.rint(r * 2.0**shift).astype(np.int64), shift


class Linear:
    def __init__(self, w, b, x, y, dtype, x_zero=0, y_zero=0):
        w = w * np.broadcast_to(x, (w.shape[1],))
        y = np.broadcast_to(y, (w.shape[0],))
        step = np.maximum(np.abs(w).max(1), 1e-12) / 127
        self.w = np.clip(np.rint(w / step[:, None]), -127, 127).astype(np.int64)
        self.bias = np.rint(b / step + x_zero * self.w.sum(1) - y_zero * y / step).astype(np.int64)
        self.mult, self.shift = ratios(step / y)
        self.dtype = dtype

    def __call__(self, a):
        return scale(product(a, self.w.T) + self.bias, self.mult, self.shift, self.dtype)

    def tensors(self):
        return [(self.w, "i8"), (np.stack([self.bias, self.mult]), "i32")]


class Norm:
    def __init__(self, gamma, beta, y, dtype):
        gamma, beta = gamma / y, beta / y
        bits = int(min(15, np.floor(30 - np.log2(max(np.abs(gamma).max(), np.abs(beta).max())))))
        self.gamma, self.beta = (np.rint(v * 2.0**bits).astype(np.int64) for v in (gamma, beta))
        self.shift, self.dtype = 15 + bits, dtype

    def __call__(self, x):
        return norm(x, self.gamma, self.beta, self.shift, self.dtype)

    def tensors(self):
        return [(np.stack([self.gamma, self.beta]), "i32")]


def smooth(W, seen, layer, site, readers, alpha):
    sizes = seen.sizes(layer, site)
    weights = np.maximum.reduce([np.abs(W[name + ".weight"]).max(0) for name in readers])
    factors = sizes**alpha / np.maximum(weights, 1e-6) ** (1 - alpha)
    return factors * (sizes / factors).max() / 127


def quantise_layer(W, seen, layer, before, alpha, percent):
    """All of a layer, and the norm behind it."""
    query, key, value, attention, rise, fall = names(layer)
    weight, bias = (lambda n: W[n + ".weight"]), (lambda n: W[n + ".bias"])
    size = lambda site: seen.sizes(layer, site).max()
    x = smooth(W, seen, layer, "input", [query, key, value], alpha)
    attended = max(size("attended"), size("input")) / 8191
    output = max(size("output"), size("middle")) / 8191
    sq, sk = seen.sizes(layer, "query"), seen.sizes(layer, "key")
    shared = np.sqrt(sq * sk).reshape(HEADS, HEAD).max(1).repeat(HEAD) / 127
    q, k, v = shared * np.sqrt(sq / sk), shared / np.sqrt(sq / sk), seen.sizes(layer, "value") / 127
    score = size("scores") / 127
    octaves = score * np.log2(np.e) * 256
    exponent = min(40, int(np.floor(28 - np.log2(octaves))))
    context = smooth(W, seen, layer, "context", [attention], alpha)
    middle = smooth(W, seen, layer, "middle", [rise], alpha)
    # Hidden units beyond `most` are repeated, each copy with a lower bias.
    hidden = seen.most[layer, "hidden"]
    most = np.percentile(seen.most[layer, "active"], percent)
    copies = [(unit, n * most) for unit in range(len(hidden)) for n in range(1, int(np.ceil(hidden[unit] / most)))]
    units = list(range(len(hidden))) + [unit for unit, _ in copies]
    lower = np.concatenate([np.zeros(len(hidden)), [down for _, down in copies]])
    least = max(seen.least[layer, "hidden"].min(), -5.0)
    step, active = (most - least) / 255, (most + 0.17) / 255
    zero, active_zero = least / step + 128, np.rint(-0.17 / active + 128)
    codes = np.arange(-128, 128)
    table = np.clip(np.rint(gelu((codes + zero) * step) / active - active_zero), -128, 127).astype(np.int64)
    p = f"encoder.layer.{layer}.attention.output.LayerNorm"
    return dict(
        norm=Norm(*before, x, "i8"),
        residual=Norm(*before, attended, "i16"),
        query=Linear(weight(query), bias(query), x, q, "i8"),
        key=Linear(weight(key), bias(key), x, k, "i8"),
        value=Linear(weight(value), bias(value), x, v, "i8"),
        scores=ratios((q * k).reshape(HEADS, HEAD)[:, 0] / np.sqrt(HEAD) / score),
        exponent=(int(np.rint(octaves * 2.0**exponent)), exponent),
        context=ratios(v / 32767 / context),
        attention=Linear(weight(attention), bias(attention), context, attended, "i16"),
        middle=Norm(weight(p), bias(p), middle, "i8"),
        middle_residual=Norm(weight(p), bias(p), output, "i16"),
        rise=Linear(weight(rise)[units], bias(rise)[units] - lower, middle, step, "i8", y_zero=zero),
        table=table,
        fall=Linear(weight(fall)[:, units], bias(fall), active, output, "i16", x_zero=active_zero),
    )


# --- the integer model -----------------------------------------------------------------------------------------------


def product(a, b):
    return np.rint(a.astype(np.float64) @ b.astype(np.float64)).astype(np.int64)


def shifted(v, bits):
    return (v + (1 << (bits - 1))) >> bits


def scale(v, mult, shift, dtype):
    return np.clip(shifted(v * mult, shift), *LIMITS[dtype])


def norm(x, gamma, beta, shift, dtype, rms=False):
    n = x.shape[-1]
    out = np.empty_like(x)
    for row, to in zip(x, out):
        mean = 0 if rms else (2 * int(row.sum()) + n) // (2 * n)
        d = row - mean
        d = d >> max(0, int(np.abs(d).max()).bit_length() - 23)
        root = 2**46 // isqrt(max(1, int((d * d).sum()) // n) << 16)
        to[:] = np.clip(shifted(((d * root + 2**22) >> 23) * gamma + beta * 2**15, shift), *LIMITS[dtype])
    return out


def isqrt(v):
    from math import isqrt as exact

    return exact(v)


def shares(scores, mult, shift, mask):
    """SOFTMAX in i16 over groups of SEQUENCE columns."""
    s = scores.reshape(len(scores), HEADS, SEQUENCE)
    top = np.where(mask, s, LIMITS["i32"][0]).max(-1, keepdims=True)
    u = shifted(np.where(mask, top - s, 0) * mult, shift)
    e = np.where(mask & (u >> 8 <= 30), EXP2[u & 255] >> np.minimum(u >> 8, 31), 0)
    total = e.sum(-1, keepdims=True)
    return ((e * 32767 + (total >> 1)) // total).reshape(len(scores), -1)


def run_integers(model, ids):
    """The result of every op, in the graph's order."""
    mask = np.arange(SEQUENCE) < len(ids)
    padded = np.zeros(SEQUENCE, int)
    padded[: len(ids)] = ids
    ops = []

    def keep(x, dtype):
        ops.append((x, dtype))
        return x

    def add(a, b):
        return np.clip(a + b, *LIMITS["i16"])

    words = keep(model["words"][padded], "i16")
    x = keep(add(words, model["positions"]), "i16")
    for m in model["layers"]:
        a, residual = keep(m["norm"](x), "i8"), keep(m["residual"](x), "i16")
        q, k, v = keep(m["query"](a), "i8"), keep(m["key"](a), "i8"), keep(m["value"](a).T, "i8")
        heads = [slice(h * HEAD, (h + 1) * HEAD) for h in range(HEADS)]
        dots = np.concatenate([product(q[:, h], k[:, h].T) for h in heads], 1)
        scores = keep(scale(dots, np.repeat(m["scores"][0], SEQUENCE), m["scores"][1], "i8"), "i8")
        p = keep(shares(scores, *m["exponent"], mask), "i16")
        groups = [slice(h * SEQUENCE, (h + 1) * SEQUENCE) for h in range(HEADS)]
        dots = np.concatenate([product(p[:, g], v[h].T) for g, h in zip(groups, heads)], 1)
        context = keep(scale(dots, *m["context"], "i8"), "i8")
        x = keep(add(keep(m["attention"](context), "i16"), residual), "i16")
        a, residual = keep(m["middle"](x), "i8"), keep(m["middle_residual"](x), "i16")
        active = keep(m["table"][keep(m["rise"](a), "i8") + 128], "i8")
        x = keep(add(keep(m["fall"](active), "i16"), residual), "i16")
    last = keep(model["last"](x).T, "i8")
    pooled = keep(product(mask[None].astype(int), last.T), "i32")
    keep(norm(pooled, *model["gain"], 30, "i8", rms=True), "i8")
    return ops


def tensors(model):
    """All weights, in the graph's order."""
    out = [(model["words"], "i16"), (model["positions"], "i16")]
    none = lambda mult: (np.stack([0 * mult, mult]), "i32")
    for m in model["layers"]:
        for part in ("norm", "residual", "query", "key", "value"):
            out += m[part].tensors()
        out += [none(np.repeat(m["scores"][0], SEQUENCE)), none(m["context"][0])]
        for part in ("attention", "middle", "middle_residual", "rise"):
            out += m[part].tensors()
        out += [(m["table"], "i8")] + m["fall"].tensors()
    return out + model["last"].tensors() + [(np.stack(model["gain"]), "i32")]


# --- the files -------------------------------------------------------------------------------------------------------


def digest(x, dtype):
    low, high = LIMITS[dtype]
    assert low <= x.min() and x.max() <= high
    return hashlib.sha256(np.ascontiguousarray(x).astype(TYPES[dtype]).tobytes()).hexdigest()


def pinned(folder, file):
    path = os.path.join(folder, file["path"])
    with open(path, "rb") as f:
        data = f.read()
    assert hashlib.sha256(data).hexdigest() == file["sha256"], path
    return path, data


def main(folder):
    with open(os.path.join(HERE, "recipe.json")) as f:
        recipe = json.load(f)
    W = {k: v.astype(np.float64) for k, v in load_file(pinned(folder, recipe["weights"])[0]).items()}
    tokenizer = Tokenizer.from_file(pinned(folder, recipe["tokenizer"])[0])
    tokenizer.no_padding()
    tokenizer.enable_truncation(128)
    seen = Seen()
    for file in recipe["texts"]:
        lines = pinned(folder, file)[1].decode("latin-1").split("\n")
        for line in file["calibration"]:
            run_float(W, tokenizer.encode(lines[line].split("\t")[file["column"]].strip()).ids, seen)
    alpha, percent = recipe["settings"]["alpha"], recipe["settings"]["split_percentile"]
    words, places = W["embeddings.word_embeddings.weight"], positions(W)
    unit = max(np.abs(words).max(), np.abs(places).max()) / 16383
    before = W["embeddings.LayerNorm.weight"], W["embeddings.LayerNorm.bias"]
    layers = []
    for layer in range(LAYERS):
        layers.append(quantise_layer(W, seen, layer, before, alpha, percent))
        p = f"encoder.layer.{layer}.output.LayerNorm"
        before = W[p + ".weight"], W[p + ".bias"]
    model = dict(
        words=np.rint(words / unit).astype(np.int64),
        positions=np.rint(places[:SEQUENCE] / unit).astype(np.int64),
        layers=layers,
        last=Norm(*before, seen.sizes(LAYERS, "input").max() / 127, "i8"),
        gain=(np.full(WIDTH, 24 << 15), np.zeros(WIDTH, np.int64)),
    )
    items = []
    for text in TEXTS:
        ids = tokenizer.encode(text).ids
        ops = run_integers(model, ids)
        vector = ops[-1][0][0].tolist()
        items.append(dict(text=text, ids=ids, ops=[digest(*op)[:16] for op in ops], vector=vector))
    weights = [digest(*tensor) for tensor in tensors(model)]
    out = json.dumps(dict(sequence=SEQUENCE, weights=weights, items=items), indent=1, ensure_ascii=False)
    # Lists of numbers, and those of digests of ops, on a line each.
    out = re.sub(r"\[\s+((?:-?\d+,?\s+)+)\]", lambda m: "[" + re.sub(r"\s+", " ", m[1]).strip() + "]", out)
    print(re.sub(r'("ops": \[)([^\]]+)\]', lambda m: m[1] + " ".join(m[2].split()) + "]", out))


main(*sys.argv[1:])
