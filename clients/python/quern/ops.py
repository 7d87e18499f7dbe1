"""The results of a graph: once with Python's integers, which cannot overflow, and once with numpy, which is fast."""

import math

from .cells import cell, powers_of_two
from .graph import CAUSAL, DOT, INPUT, ITEM, PAIR, RMS, SIDE, T, WEIGHT
from .tensor import INT32, NAMES, Tensor, limits


def _of_item(graph, item, inputs, weights):
    """The tensors of inputs and weights in an item, by operand code."""
    tensors = {WEIGHT + i: weight for i, weight in enumerate(weights)}
    for i, (_, scope, rows, _) in enumerate(graph.inputs):
        tensors[INPUT + i] = inputs[i].item(item, rows) if scope == ITEM else inputs[i]
    return tensors


def _run(graph, inputs, weights, items, whole):
    graph.check_items(items)
    outputs = []
    for item in range(items):
        tensors = _of_item(graph, item, inputs, weights)
        for index, op in enumerate(graph.ops):
            tensors[index] = whole(op, [tensors.get(code) for code in op.codes])
        outputs.append([tensors[index] for index in range(len(graph.ops))])
    return outputs


def run(graph, inputs, weights, items=1):
    """The results of all ops in each item, `outputs[item][op]`, cell by cell. `inputs` hold the rows of all items."""
    return _run(graph, inputs, weights, items, _whole)


def _whole(op, operands):
    def span(slot, row, first, end):
        return operands[slot].span(row, first, end)

    def value(row, col):
        return cell(op, span, operands, *((col, row) if op.flags & T else (row, col)))

    return Tensor.of(op.dtype, [[value(row, col) for col in range(op.cols)] for row in range(op.rows)])


def run_fast(graph, inputs, weights, items=1):
    """The same with numpy. No value leaves 64 bits: the limits of each op see to that."""
    # Weights are read again for every item.
    kept = {weight: weight.array().astype("int64") for weight in weights}

    def array(tensor):
        if tensor is None or tensor in kept:
            return kept.get(tensor)
        return tensor.array().astype("int64")

    def whole(op, operands):
        found = _FAST[op.opcode](op, operands, *[array(tensor) for tensor in operands])
        stored = found.T if op.flags & T else found
        return Tensor.from_array(stored.astype(NAMES[op.dtype]))

    return _run(graph, inputs, weights, items, whole)


def _repeat(array, rows, cols):
    import numpy

    return numpy.tile(array, (rows // array.shape[0], cols // array.shape[1]))


def _rshr(values, shift):
    return values if shift == 0 else (values + (1 << (shift - 1))) >> shift


def _dot(op, operands, a, b, p, _):
    import numpy

    of_b, width = op.groups // op.share, a.shape[1] // op.groups
    sums = []
    for group in range(op.groups):
        left, at = a[:, group * width : (group + 1) * width], group // op.share
        n = b.shape[0] // of_b
        right = b[at * n : (at + 1) * n] if op.flags & SIDE else b[:, at * width : (at + 1) * width]
        # At most 2^37: doubles hold it exactly, and multiply faster.
        sums.append((left.astype("float64") @ right.T.astype("float64")).astype("int64"))
    total = numpy.hstack(sums)
    bias, mult = (0, 1) if p is None else _repeat(p, 2, total.shape[1])
    scaled = _rshr(numpy.clip(total + bias, *limits(INT32)) * mult, op.shift)
    return numpy.clip(scaled, *op.bounds)


def _mix(op, operands, a, b, c, d):
    import numpy

    def part(array, swap=False):
        if array is None:
            return 1
        whole = _repeat(array, *a.shape)
        return whole[:, numpy.arange(a.shape[1]) ^ 1] if swap else whole

    total = a * part(c) + (0 if b is None else part(b, op.flags & PAIR) * part(d))
    return numpy.clip(_rshr(total, op.shift), *op.bounds)


def _lut(op, operands, a, table, *_):
    return table[0][a - limits(operands[0].dtype)[0]]


def _gather(op, operands, x, table, *_):
    import numpy

    index = x[0]
    is_there = (index >= 0) & (index < table.shape[0])
    rows = numpy.where(is_there[:, None], table[numpy.where(is_there, index, 0)], 0)
    return rows.reshape(op.logical[0], -1)


def _norm(op, operands, a, p, *_):
    import numpy

    n = a.shape[1] // op.groups
    groups = a.reshape(-1, n)
    mu = numpy.zeros(len(groups), "int64") if op.flags & RMS else (2 * groups.sum(axis=1) + n) // (2 * n)
    deltas = groups - mu[:, None]
    out = numpy.empty_like(groups)
    for row, delta in enumerate(deltas):
        e = max(0, int(abs(delta).max()).bit_length() - 23)
        delta = delta >> e
        q = max(1, int((delta * delta).sum()) // n + (op.constant >> 2 * e))
        t = (delta * (2**46 // math.isqrt(q << 16)) + 2**22) >> 23
        out[row] = _rshr(t * p[0] + (p[1] << 15), op.shift)
    return numpy.clip(out, *op.bounds).reshape(a.shape)


def _softmax(op, operands, a, mask, *_):
    import numpy

    width = a.shape[1] // op.groups
    valid = numpy.ones((a.shape[0], width), bool) if mask is None else _repeat(mask, a.shape[0], width) != 0
    if op.flags & CAUSAL:
        valid &= numpy.arange(width)[None, :] <= numpy.arange(a.shape[0])[:, None]
    values = a.reshape(a.shape[0], op.groups, width)
    valid = numpy.broadcast_to(valid[:, None, :], values.shape)
    # Where none is valid, the largest is not looked at.
    largest = numpy.where(valid, values, -(2**31)).max(axis=2, keepdims=True)
    u = _rshr(numpy.maximum(largest - values, 0) * op.constant, op.shift)
    powers = numpy.array(powers_of_two())[u & 255] >> numpy.minimum(u >> 8, 31)
    powers = numpy.where(valid, powers, 0)
    total = powers.sum(axis=2, keepdims=True)
    shares = (powers * limits(op.dtype)[1] + (total >> 1)) // numpy.maximum(total, 1)
    return numpy.where(valid, shares, 0).reshape(a.shape)


def _argmax(op, operands, a, *_):
    # The first of equals, as the op wants it.
    return a.argmax(axis=1)[:, None]


def _feedback(op, operands, x, following, *_):
    import numpy

    before = numpy.concatenate([[0], following[0, :-1]])
    return numpy.where(x[0] >= 0, x[0], before)[None, :]


_FAST = dict(enumerate((_dot, _mix, _lut, _gather, _norm, _softmax, _argmax, _feedback), start=DOT))
