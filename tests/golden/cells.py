#!/usr/bin/env python3
"""Reproduces tests/golden/ops.json without the Rust code: what `seal` derives of a graph of format 2, and every cell of its ops.

It is written from the design alone: one cell at a time, in Python integers, every intermediate value asserted to fit i64. A cell
reads through `span`, which notes what it reads: that order is the order of the evidence.
Usage: python3 cells.py [ops.json]. Ends with a count; exits 1 at the first difference.
"""

import json
import math
import pathlib
import struct
import sys
from decimal import Decimal, getcontext

getcontext().prec = 60
EXP2 = [int(Decimal(2) ** (30 - Decimal(f) / 256) + Decimal("0.5")) for f in range(256)]
I8, I32, I16 = 1, 2, 3
SIZE = {I8: 1, I16: 2, I32: 4}
FORMAT = {I8: "b", I16: "h", I32: "i"}
DOT, MIX, LUT, GATHER, NORM, SOFTMAX, ARGMAX, FEEDBACK = range(1, 9)
T, PAIR, RMS, CAUSAL, SIDE = 1, 2, 4, 8, 16
NONE = 65_534
checks = 0


def same(what, found, expected):
    global checks
    checks += 1
    if found != expected:
        print(f"DIFFERENT: {what}\n  computed {found}\n  in file  {expected}")
        sys.exit(1)


def i64(value):
    assert -(2**63) <= value < 2**63, value
    return value


def rshr(value, shift):
    return i64(value) if shift == 0 else i64(i64(value) + (1 << (shift - 1))) >> shift


def limits(dtype):
    half = 1 << (8 * SIZE[dtype] - 1)
    return -half, half - 1


def clamp(value, lo, hi):
    return min(max(value, lo), hi)


class Tensor:
    def __init__(self, dtype, rows, cols, data=None):
        self.dtype, self.rows, self.cols = dtype, rows, cols
        if data is not None:
            self.values = struct.unpack(f"<{rows * cols}{FORMAT[dtype]}", data)

    def span(self, row, first, end):
        assert 0 <= row < self.rows and 0 <= first < end <= self.cols
        return self.values[row * self.cols + first : row * self.cols + end]


class Op:
    """A record of 32 bytes."""

    def __init__(self, raw):
        (self.opcode, self.flags, self.dtype, self.kind, *self.codes) = struct.unpack_from("<4B4H", raw)
        self.rows, self.cols, self.groups, self.share, self.shift = struct.unpack_from("<2I2HB", raw, 12)
        assert raw[25:28] == bytes(3)
        (self.constant,) = struct.unpack_from("<I", raw, 28)
        self.lo, self.hi = struct.unpack_from("<2h", raw, 28)
        if self.dtype == I32:
            self.lo, self.hi = limits(I32)
        self.is_transposed = bool(self.flags & T)
        # R and C of the definitions.
        self.logical = (self.cols, self.rows) if self.is_transposed else (self.rows, self.cols)


class Graph:
    def __init__(self, raw):
        version, inputs, weights, ops, self.tokens, self.feedback = struct.unpack_from("<2B4H", raw)
        assert version == 2 and raw[10:16] == bytes(6)
        at = 16
        self.shapes, self.scopes = {}, []
        for i in range(inputs):
            dtype, scope, reserved, rows, cols = struct.unpack_from("<2BH2I", raw, at)
            assert scope in (0, 1) and reserved == 0
            self.shapes[1024 + i] = (dtype, rows, cols)
            self.scopes.append(scope)
            at += 12
        for i in range(weights):
            dtype, *reserved, rows, cols = struct.unpack_from("<4B2I", raw, at)
            assert reserved == [0, 0, 0]
            self.shapes[2048 + i] = (dtype, rows, cols)
            at += 44
        self.inputs, self.weights = inputs, weights
        self.ops = [Op(raw[at + 32 * i : at + 32 * i + 32]) for i in range(ops)]
        assert len(raw) == at + 32 * ops
        for i, op in enumerate(self.ops):
            self.shapes[i] = (op.dtype, op.rows, op.cols)


# What `seal` derives.


def form(op, shapes):
    """dtype, R, C and K (0 without a product)."""
    a, b, c, d = (shapes.get(code) for code in op.codes)
    if op.opcode == DOT:
        assert a[0] in (I8, I16) and b[0] == I8 and a[2] % op.groups == 0 and op.groups % op.share == 0
        k, of_b = a[2] // op.groups, op.groups // op.share
        if op.flags & SIDE:
            assert b[1] % of_b == 0 and b[2] == k
            n = b[1] // of_b
        else:
            assert b[2] == of_b * k
            n = b[1]
        assert k <= 32_768 and (c is None or (c[0] == I32 and c[1] == 2 and op.groups * n % c[2] == 0))
        assert 1 <= op.shift <= 47 if c else op.shift == 0
        return op.dtype if c else I32, a[1], op.groups * n, k
    if op.opcode == MIX:
        for part in (b, c, d):
            assert part is None or (a[1] % part[1] == 0 and a[2] % part[2] == 0)
        assert b is None or all(part is None or part[0] != I32 for part in (c, d))
        assert b is not None or (d is None and not op.flags & PAIR)
        assert not op.flags & PAIR or (a[2] % 2 == 0 and b[2] % 2 == 0)
        return op.dtype, a[1], a[2], 0
    if op.opcode == LUT:
        assert b[1:] == (1, {I8: 256, I16: 65_536}[a[0]]) and 2048 <= op.codes[1] < 3072
        return b[0], a[1], a[2], 0
    if op.opcode == GATHER:
        rows = op.logical[0]
        assert a[0] == I32 and a[1] == 1 and a[2] % rows == 0
        return b[0], rows, a[2] // rows * b[2], 0
    if op.opcode == NORM:
        assert a[2] % op.groups == 0 and b == (I32, 2, a[2] // op.groups) and b[2] <= 8192
        assert op.constant < 2**31 and 1 <= op.shift <= 47
        return op.dtype, a[1], a[2], 0
    if op.opcode == SOFTMAX:
        assert a[2] % op.groups == 0 and a[2] // op.groups <= 8192 and op.constant < 2**30
        assert b is None or (b[0] == I8 and a[1] % b[1] == 0 and a[2] // op.groups % b[2] == 0)
        assert op.dtype in (I8, I16)
        return op.dtype, a[1], a[2], 0
    if op.opcode == ARGMAX:
        return I32, a[1], 1, 0
    assert op.opcode == FEEDBACK and 1024 <= op.codes[0] < 1032
    assert a == b == (I32, 1, a[2]) and a[2] <= 8192
    return I32, 1, a[2], 0


def kind(op, shapes, kinds, s):
    """How the result depends on the s tokens; None where the table names nothing."""
    a, b, c, d = (kinds.get(code, 0) for code in op.codes)
    shape_a = shapes[op.codes[0]]
    rows, cols = op.logical
    row_kinds = (1, 4)
    found = None
    if op.opcode == SOFTMAX and b == 0:
        if op.flags & CAUSAL:
            if cols // op.groups == s and a in (0, 1, 3, 4):
                found = 4
        elif a in row_kinds:
            found = 1
    if found is None and a == b == c == d == 0:
        found = 0
    if op.opcode == GATHER and a == 2 and b == 0 and shape_a[2] == rows:
        found = 1
    if op.opcode in (NORM, ARGMAX) and a in row_kinds:
        found = 1
    if op.opcode == LUT and a:
        found = 1 if a == 4 else a
    if op.opcode == MIX and (a or b or c or d):
        parts = [(k, shapes[code]) for k, code in zip((a, b, c, d), op.codes) if k]
        whole_rows = all(shape[1] == rows for _, shape in parts)
        whole_cols = all(shape[2] == cols for _, shape in parts)
        pair = op.flags & PAIR
        if all(k in row_kinds for k, _ in parts) and whole_rows:
            found = 1
        elif all(k == 2 for k, _ in parts) and whole_cols and not pair:
            found = 2
        elif all(k == 3 for k, _ in parts) and whole_rows and whole_cols and not pair:
            found = 3
    if op.opcode == DOT:
        if a in row_kinds and b == 0:
            found = 1
        elif not op.flags & SIDE and a in (0, 1, 4) and b in row_kinds and cols // op.groups == s:
            found = 3
        elif op.flags & SIDE and a == 4 and b == 2 and shape_a[2] // op.groups == s:
            found = 1
    if op.opcode == FEEDBACK and a == 0 and b == 2 and not op.is_transposed:
        found = 2
    if found is not None and op.is_transposed:
        found = {0: 0, 1: 2, 4: 2, 2: 1}.get(found)
    return found


# Cells: (i, j) before flag T. `span(slot, row, first, end)` reads.


def value(span, slot, row, col):
    return span(slot, row, col, col + 1)[0]


def dot(op, span, a, b, c, d, i, j):
    k = a.cols // op.groups
    n = b.rows // (op.groups // op.share) if op.flags & SIDE else b.rows
    g, place = divmod(j, n)
    of_b = g // op.share
    left = span(0, i, g * k, g * k + k)
    if op.flags & SIDE:
        right = span(1, of_b * n + place, 0, k)
    else:
        right = span(1, place, of_b * k, of_b * k + k)
    total = i64(sum(x * y for x, y in zip(left, right)))
    assert abs(total) <= 2**37
    bias, mult = (0, 1) if c is None else (value(span, 2, 0, j % c.cols), value(span, 2, 1, j % c.cols))
    return clamp(rshr(clamp(total + bias, *limits(I32)) * mult, op.shift), op.lo, op.hi)


def mix(op, span, a, b, c, d, i, j):
    swap = 1 if op.flags & PAIR else 0
    x = value(span, 0, i, j)
    y = 0 if b is None else value(span, 1, i % b.rows, j % b.cols ^ swap)
    u = 1 if c is None else value(span, 2, i % c.rows, j % c.cols)
    v = 1 if d is None else value(span, 3, i % d.rows, j % d.cols)
    return clamp(rshr(i64(x * u) + i64(y * v), op.shift), op.lo, op.hi)


def lut(op, span, a, b, c, d, i, j):
    return value(span, 1, 0, value(span, 0, i, j) - limits(a.dtype)[0])


def gather(op, span, a, b, c, d, i, j):
    m = a.cols // op.logical[0]
    q, k = divmod(j, b.cols)
    x = value(span, 0, 0, i * m + q)
    return value(span, 1, x, k) if 0 <= x < b.rows else 0


def norm(op, span, a, b, c, d, i, j):
    n = a.cols // op.groups
    first = j - j % n
    row = span(0, i, first, first + n)
    gamma, beta = value(span, 1, 0, j % n), value(span, 1, 1, j % n)
    mu = 0 if op.flags & RMS else (2 * sum(row) + n) // (2 * n)
    e = max(0, max(abs(x - mu) for x in row).bit_length() - 23)
    deltas = [(x - mu) >> e for x in row]
    q = max(1, i64(sum(x * x for x in deltas)) // n + (op.constant >> 2 * e))
    r = 2**46 // math.isqrt(i64(q << 16))
    t = i64(i64(deltas[j % n] * r) + 2**22) >> 23
    return clamp(rshr(i64(t * gamma) + i64(beta << 15), op.shift), *limits(op.dtype))


def softmax(op, span, a, b, c, d, i, j):
    width = a.cols // op.groups
    first = j - j % width
    row = span(0, i, first, first + width)
    mask = [1] if b is None else span(1, i % b.rows, 0, b.cols)
    valid = [mask[t % len(mask)] != 0 and (not op.flags & CAUSAL or t <= i) for t in range(width)]
    if not valid[j - first]:
        return 0
    largest = max(x for x, is_valid in zip(row, valid) if is_valid)

    def power(x):
        u = rshr((largest - x) * op.constant, op.shift)
        return EXP2[u & 255] >> (u >> 8) if u >> 8 <= 30 else 0

    total = i64(sum(power(x) for x, is_valid in zip(row, valid) if is_valid))
    one = limits(op.dtype)[1]
    return i64(power(row[j - first]) * one + (total >> 1)) // total


def argmax(op, span, a, b, c, d, i, j):
    row = span(0, i, 0, a.cols)
    return row.index(max(row))


def feedback(op, span, a, b, c, d, i, j):
    x = value(span, 0, 0, j)
    if x >= 0:
        return x
    return value(span, 1, 0, j - 1) if j > 0 else 0


CELLS = {DOT: dot, MIX: mix, LUT: lut, GATHER: gather, NORM: norm, SOFTMAX: softmax, ARGMAX: argmax, FEEDBACK: feedback}


def is_wrong(op, span, operands, i, j, claimed, at):
    """True, False, or None where the charge is refused."""
    if op.opcode != ARGMAX:
        found = CELLS[op.opcode](op, span, *operands, i, j)
        return None if at else found != claimed
    cols = operands[0].cols
    if not 0 <= claimed < cols:
        return True if at == 0 else None
    if at >= cols:
        return None
    mine, other = value(span, 0, i, claimed), value(span, 0, i, at)
    return other > mine or (other == mine and at < claimed)


def check_graph(v):
    name = v["name"]
    graph = Graph(bytes.fromhex(v["graph"]))
    tensors = {}
    for first, all_data in ((1024, v["inputs"]), (2048, v["weights"])):
        for i, data in enumerate(all_data):
            tensors[first + i] = Tensor(*graph.shapes[first + i], bytes.fromhex(data))
    has_tokens = graph.tokens != NONE
    kinds = {graph.tokens: 2} if has_tokens else {}
    work = trace_bytes = 0
    most_rows = max([graph.shapes[1024 + i][1] for i, scope in enumerate(graph.scopes) if scope], default=0)
    outputs = []
    for index, op in enumerate(graph.ops):
        what = f"{name}: op {index} (opcode {op.opcode})"
        assert all(code == NONE or code >= 1024 or code < index for code in op.codes), what
        dtype, rows, cols, k = form(op, graph.shapes)
        same(f"{what}: form", (op.dtype, *op.logical), (dtype, rows, cols))
        if has_tokens:
            kinds[index] = kind(op, graph.shapes, kinds, graph.shapes[graph.tokens][2])
            same(f"{what}: kind", kinds[index], op.kind)
        else:
            same(f"{what}: kind", 0, op.kind)
        work += rows * cols * (k + 64 * SIZE[dtype])
        trace_bytes += rows * cols * SIZE[dtype]
        most_rows = max(most_rows, op.rows)
        operands = [tensors.get(code) for code in op.codes]

        def span(slot, row, first, end):
            return operands[slot].span(row, first, end)

        cells = [
            CELLS[op.opcode](op, span, *operands, *((col, row) if op.is_transposed else (row, col)))
            for row in range(op.rows)
            for col in range(op.cols)
        ]
        data = struct.pack(f"<{len(cells)}{FORMAT[op.dtype]}", *cells)
        same(f"{what}: result", data.hex(), v["outputs"][index])
        tensors[index] = Tensor(*graph.shapes[index], data)
        outputs.append(tensors[index])
    same(f"{name}: work, trace bytes, most rows", [work, trace_bytes, most_rows], v["sealed"])
    if has_tokens:
        f = graph.ops[graph.feedback]
        same(f"{name}: feedback", (f.opcode, f.rows, f.cols), (FEEDBACK, 1, graph.shapes[graph.tokens][2]))
    for op, row, col, claimed, at, verdict, reads in v["claims"]:
        record = graph.ops[op]
        operands = [tensors.get(code) for code in record.codes]
        seen = []

        def noting(slot, at_row, first, end):
            seen.append([record.codes[slot], at_row, first, end])
            return operands[slot].span(at_row, first, end)

        i, j = (col, row) if record.is_transposed else (row, col)
        found = is_wrong(record, noting, operands, i, j, claimed, at)
        same(f"{name}: op {op} at {row}, {col}: claim {claimed} against {at}", found, verdict)
        same(f"{name}: op {op} at {row}, {col}: reads", seen, reads)


def main():
    file = sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).with_name("ops.json")
    document = json.loads(pathlib.Path(file).read_text())
    same("powers of two", EXP2, document["exp2"])
    for v in document["graphs"]:
        check_graph(v)
    print(f"{checks} checks, {len(document['graphs'])} graphs: all equal")


if __name__ == "__main__":
    main()
