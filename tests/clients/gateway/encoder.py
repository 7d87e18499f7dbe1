#!/usr/bin/env python3
"""Makes a small sentence encoder of random weights, as `quern model import` reads one, and texts to calibrate it with.

    encoder.py FOLDER

Standard library only; the same bytes on every machine.
"""

import json
import math
import struct
import sys
from pathlib import Path

WIDTH, UNITS, WORDS, POSITIONS = 64, 96, 120, 40


class Numbers:
    """Numbers that look random."""

    def __init__(self, seed: int):
        self.state = seed

    def uniform(self) -> float:
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 11) / 2**53

    def text(self) -> str:
        return " ".join(f"w{4 + int(self.uniform() * (WORDS - 4))}" for _ in range(8))


def shapes():
    """Name, shape, mean and spread of every tensor of a BERT with one layer."""
    for name, rows in ("word", WORDS), ("position", POSITIONS), ("token_type", 2):
        yield f"bert.embeddings.{name}_embeddings.weight", (rows, WIDTH), 0.0, 0.2
    layer = "bert.encoder.layer.0"
    for part, rows, cols in (
        ("attention.self.query", WIDTH, WIDTH),
        ("attention.self.key", WIDTH, WIDTH),
        ("attention.self.value", WIDTH, WIDTH),
        ("attention.output.dense", WIDTH, WIDTH),
        ("intermediate.dense", UNITS, WIDTH),
        ("output.dense", WIDTH, UNITS),
    ):
        yield f"{layer}.{part}.weight", (rows, cols), 0.0, 0.4
        yield f"{layer}.{part}.bias", (rows,), 0.0, 0.2
    for norm in "bert.embeddings.LayerNorm", f"{layer}.attention.output.LayerNorm", f"{layer}.output.LayerNorm":
        yield f"{norm}.weight", (WIDTH,), 1.0, 0.3
        yield f"{norm}.bias", (WIDTH,), 0.0, 0.3


def weights() -> bytes:
    """A .safetensors file: the length of the header, the header, the values."""
    numbers, header, data = Numbers(7), {}, bytearray()
    for name, shape, mean, spread in shapes():
        start = len(data)
        for _ in range(math.prod(shape)):
            data += struct.pack("<f", mean + (numbers.uniform() - 0.5) * spread)
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [start, len(data)]}
    head = json.dumps(header).encode()
    return struct.pack("<Q", len(head)) + head + bytes(data)


def config() -> dict:
    return {
        "hidden_act": "gelu", "hidden_size": WIDTH, "intermediate_size": UNITS, "layer_norm_eps": 1e-12,
        "max_position_embeddings": POSITIONS, "num_attention_heads": 4, "num_hidden_layers": 1, "type_vocab_size": 2,
        "vocab_size": WORDS,
    }


def tokenizer() -> dict:
    vocabulary = {"[PAD]": 0, "[CLS]": 1, "[SEP]": 2, "[UNK]": 3}
    vocabulary |= {f"w{word}": word for word in range(4, WORDS)}
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
        "pre_tokenizer": {"type": "Whitespace"}, "decoder": None,
        "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 2], "cls": ["[CLS]", 1]},
        "model": {
            "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
            "vocab": vocabulary,
        },
    }


def main() -> None:
    folder, numbers = Path(sys.argv[1]), Numbers(11)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.safetensors").write_bytes(weights())
    (folder / "config.json").write_text(json.dumps(config()))
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer()))
    for name, count in ("calibration.txt", 40), ("held-out.txt", 30):
        (folder / name).write_text("".join(numbers.text() + "\n" for _ in range(count)))


if __name__ == "__main__":
    main()
