#!/usr/bin/env python3
"""Reproduces tests/golden/ops.json without the Rust code: what `seal` derives or refuses, and every cell of every op.

The package in clients/python computes. It is written from the design alone: one cell at a time, in Python's integers, every
intermediate value asserted to fit 64 bits. What a cell reads, and in which order, is compared, too: it is what evidence carries.
Usage: python3 cells.py [ops.json] [--fast]. With `--fast` numpy's results are compared as well. Ends with a count; exits 1 at
the first difference.
"""

import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "clients/python"))
sys.dont_write_bytecode = True  # no cache folder in the checkout

from quern import GATHER, INPUT, WEIGHT, Graph, Op, Refused, T, Tensor, encode, run, run_fast  # noqa: E402
from quern.cells import is_wrong, powers_of_two  # noqa: E402

checks = 0


def same(what, found, expected):
    global checks
    checks += 1
    if found != expected:
        print(f"DIFFERENT: {what}\n  computed {found}\n  in file  {expected}")
        sys.exit(1)


def refusal(raw):
    """Why a graph is not sealed, if it is not."""
    try:
        Graph(raw)
    except Refused as refused:
        return refused.name
    return None


class Known(Tensor):
    """A tensor whose root is known from elsewhere: those of these vectors are not of their data."""

    def __init__(self, tensor, root):
        super().__init__(tensor.dtype, tensor.rows, tensor.cols, tensor.data)
        self.known = root

    def root(self):
        return self.known


def check_encoded(name, raw, graph, weights):
    """The same bytes, with shapes and kinds derived."""
    ops = [Op.from_bytes(op.to_bytes()) for op in graph.ops]
    for op in ops:
        op.kind = 0
        # GATHER states the rows of its definition; all else follows.
        if op.opcode == GATHER:
            op.rows, op.cols = (0, op.cols) if op.flags & T else (op.rows, 0)
        else:
            op.rows = op.cols = 0
    weights = [Known(weight, root) for weight, root in zip(weights, graph.roots)]
    same(f"{name}: encoded", encode(graph.inputs, weights, ops, graph.tokens, graph.feedback).hex(), raw.hex())


def check_claims(name, graph, tensors, claims):
    for index, row, col, claimed, at, verdict, reads in claims:
        op = graph.ops[index]
        operands = [tensors.get(code) for code in op.codes]
        seen = []

        def noting(slot, at_row, first, end):
            seen.append([op.codes[slot], at_row, first, end])
            return operands[slot].span(at_row, first, end)

        i, j = (col, row) if op.flags & T else (row, col)
        what = f"{name}: op {index} at {row}, {col}: claim {claimed} against {at}"
        same(what, is_wrong(op, noting, operands, i, j, claimed, at), verdict)
        same(f"{what}: reads", seen, reads)


def check_graph(v, is_fast):
    name, raw = v["name"], bytes.fromhex(v["graph"])
    graph = Graph(raw)

    def tensors_of(first, all_data):
        shapes = [graph.shapes[first + i] for i in range(len(all_data))]
        return [Tensor(*shape, bytes.fromhex(data)) for shape, data in zip(shapes, all_data)]

    inputs, weights = tensors_of(INPUT, v["inputs"]), tensors_of(WEIGHT, v["weights"])
    check_encoded(name, raw, graph, weights)
    same(f"{name}: work, trace bytes, most rows", [graph.work, graph.trace_bytes, graph.most_rows], v["sealed"])
    (outputs,) = run(graph, inputs, weights)
    same(f"{name}: results", [tensor.data.hex() for tensor in outputs], v["outputs"])
    if is_fast:
        (fast,) = run_fast(graph, inputs, weights)
        for index, (found, expected) in enumerate(zip(fast, outputs)):
            same(f"{name}: numpy's op {index} (opcode {graph.ops[index].opcode})", found.to_file(), expected.to_file())
    tensors = dict(enumerate(outputs))
    tensors |= {INPUT + i: tensor for i, tensor in enumerate(inputs)}
    tensors |= {WEIGHT + i: tensor for i, tensor in enumerate(weights)}
    check_claims(name, graph, tensors, v["claims"])


def main():
    is_fast = "--fast" in sys.argv
    files = [arg for arg in sys.argv[1:] if arg != "--fast"]
    file = files[0] if files else pathlib.Path(__file__).with_name("ops.json")
    document = json.loads(pathlib.Path(file).read_text())
    same("powers of two", powers_of_two(), document["exp2"])
    for v in document["graphs"]:
        check_graph(v, is_fast)
    # Graphs with a changed byte: what the program says of them.
    for index, offset, byte, expected in document["changed"]:
        raw = bytearray.fromhex(document["graphs"][index]["graph"])
        raw[offset] = byte
        same(f"{document['graphs'][index]['name']} with {byte} at byte {offset}", refusal(bytes(raw)), expected)
    print(f"golden ops: {checks} checks, {len(document['graphs'])} graphs: all equal")


if __name__ == "__main__":
    main()
