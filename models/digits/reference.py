#!/usr/bin/env python3
"""Evaluates the digits model without the Rust code and compares with expected.json: accuracy, roots, hashes of the files.

    python3 models/digits/reference.py        # needs numpy

clients/python computes: graph, results of all items, trees. Ends with the accuracy; exits 1 at a difference.
"""

import hashlib
import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "clients/python"))
sys.dont_write_bytecode = True  # no cache folder in the checkout

import quern  # noqa: E402


def main():
    graph = quern.Graph((HERE / "digits.qmodel").read_bytes())
    weights = quern.read_bundle((HERE / "weights.bin").read_bytes())
    images = quern.Tensor.from_file((HERE / "test-images.bin").read_bytes())
    labels = quern.Tensor.from_file((HERE / "test-labels.bin").read_bytes())
    expected = json.loads((HERE / "expected.json").read_text())

    outputs = quern.run_fast(graph, [images], weights, images.rows)
    roots = [[tensor.root() for tensor in item] for item in outputs]
    result, roots_file = quern.result_file(outputs), quern.roots_file(roots)
    trace_root = quern.trace_levels(roots)[0][0]
    answer = quern.check(graph, images.rows, trace_root, result, roots_file)
    found = {
        "held_out": images.rows,
        "right": sum(found == label for found, label in zip(answer.values(), labels.values())),
        "work_of_an_item": graph.work,
        "trace_bytes_of_an_item": graph.trace_bytes,
        "images_root": images.root().hex(),
        "trace_root": trace_root.hex(),
        "result_sha256": hashlib.sha256(result).hexdigest(),
        "roots_sha256": hashlib.sha256(roots_file).hexdigest(),
    }
    different = {name: (value, expected[name]) for name, value in found.items() if value != expected[name]}
    different |= {"weight roots": ()} if graph.roots != [weight.root() for weight in weights] else {}
    if different:
        raise SystemExit(f"different (computed, expected): {different}")
    print(f"digits: {found['right']} of {images.rows} held-out images are right; every root is that of expected.json")


if __name__ == "__main__":
    main()
