"""What every op computes, one cell at a time, in Python's integers: the definition that evidence is judged by.

Every intermediate value is asserted to fit 64 bits. A cell reads through `span(slot, row, first, end)`; what it reads, and in
which order, is what a piece of evidence carries.
"""

import functools
import math
from decimal import Decimal, localcontext

from .graph import ARGMAX, CAUSAL, DOT, FEEDBACK, GATHER, LUT, MIX, NORM, PAIR, RMS, SIDE, SOFTMAX
from .tensor import INT32, limits


@functools.cache
def powers_of_two():
    """round(2^(30 - f/256)) for f of 0 to 255."""
    with localcontext() as context:
        context.prec = 60
        return [int(Decimal(2) ** (30 - Decimal(f) / 256) + Decimal("0.5")) for f in range(256)]


def i64(value):
    """The value, which no op may let leave 64 bits."""
    assert -(2**63) <= value < 2**63, value
    return value


def rshr(value, shift):
    """Shifts right, rounding half up."""
    return i64(value) if shift == 0 else i64(i64(value) + (1 << (shift - 1))) >> shift


def clamp(value, lo, hi):
    """The nearest number between the two."""
    return min(max(value, lo), hi)


def _value(span, slot, row, col):
    return span(slot, row, col, col + 1)[0]


def _dot(op, span, a, b, c, d, i, j):
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
    bias, mult = (0, 1) if c is None else (_value(span, 2, 0, j % c.cols), _value(span, 2, 1, j % c.cols))
    return clamp(rshr(clamp(total + bias, *limits(INT32)) * mult, op.shift), *op.bounds)


def _mix(op, span, a, b, c, d, i, j):
    swap = 1 if op.flags & PAIR else 0
    x = _value(span, 0, i, j)
    y = 0 if b is None else _value(span, 1, i % b.rows, j % b.cols ^ swap)
    u = 1 if c is None else _value(span, 2, i % c.rows, j % c.cols)
    v = 1 if d is None else _value(span, 3, i % d.rows, j % d.cols)
    return clamp(rshr(i64(x * u) + i64(y * v), op.shift), *op.bounds)


def _lut(op, span, a, b, c, d, i, j):
    return _value(span, 1, 0, _value(span, 0, i, j) - limits(a.dtype)[0])


def _gather(op, span, a, b, c, d, i, j):
    m = a.cols // op.logical[0]
    q, k = divmod(j, b.cols)
    x = _value(span, 0, 0, i * m + q)
    return _value(span, 1, x, k) if 0 <= x < b.rows else 0


def _norm(op, span, a, b, c, d, i, j):
    n = a.cols // op.groups
    first = j - j % n
    row = span(0, i, first, first + n)
    gamma, beta = _value(span, 1, 0, j % n), _value(span, 1, 1, j % n)
    mu = 0 if op.flags & RMS else (2 * sum(row) + n) // (2 * n)
    e = max(0, max(abs(x - mu) for x in row).bit_length() - 23)
    deltas = [(x - mu) >> e for x in row]
    q = max(1, i64(sum(x * x for x in deltas)) // n + (op.constant >> 2 * e))
    r = 2**46 // math.isqrt(i64(q << 16))
    t = i64(i64(deltas[j % n] * r) + 2**22) >> 23
    return clamp(rshr(i64(t * gamma) + i64(beta << 15), op.shift), *op.bounds)


def _softmax(op, span, a, b, c, d, i, j):
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
        return powers_of_two()[u & 255] >> (u >> 8) if u >> 8 <= 30 else 0

    total = i64(sum(power(x) for x, is_valid in zip(row, valid) if is_valid))
    one = limits(op.dtype)[1]
    return i64(power(row[j - first]) * one + (total >> 1)) // total


def _argmax(op, span, a, b, c, d, i, j):
    row = span(0, i, 0, a.cols)
    return row.index(max(row))


def _feedback(op, span, a, b, c, d, i, j):
    x = _value(span, 0, 0, j)
    if x >= 0:
        return x
    return _value(span, 1, 0, j - 1) if j > 0 else 0


_CELLS = {
    DOT: _dot,
    MIX: _mix,
    LUT: _lut,
    GATHER: _gather,
    NORM: _norm,
    SOFTMAX: _softmax,
    ARGMAX: _argmax,
    FEEDBACK: _feedback,
}


def cell(op, span, operands, i, j):
    """The value at (i, j), before flag T. `operands` are the tensors of a, b, c, d in one item, None where there is none."""
    return _CELLS[op.opcode](op, span, *operands, i, j)


def is_wrong(op, span, operands, i, j, claimed, at):
    """Whether a claimed value is wrong: True, False, or None where the charge is refused. `at` is ARGMAX's counterexample."""
    if op.opcode != ARGMAX:
        found = cell(op, span, operands, i, j)
        return None if at else found != claimed
    cols = operands[0].cols
    if not 0 <= claimed < cols:
        return True if at == 0 else None
    if at >= cols:
        return None
    mine, other = _value(span, 0, i, claimed), _value(span, 0, i, at)
    return other > mine or (other == mine and at < claimed)
