"""What the ops compute: once with Python's integers, which cannot overflow, and once with numpy, which is fast."""

from .graph import ADD, INPUT, LUT, MATMUL, QLINEAR, WEIGHT
from .tensor import INT8, Tensor


def clamp(x, lo, hi):
    """The nearest number between the two."""
    return max(lo, min(hi, x))


def operand(code, outputs, inputs, weights):
    """The tensor with this code: an earlier output, an input or a weight."""
    if code < INPUT:
        return outputs[code]
    return inputs[code - INPUT] if code < WEIGHT else weights[code - WEIGHT]


def run(graph, inputs, weights):
    """The outputs of all ops, with Python's integers."""
    outputs = []

    def get(code):
        return operand(code, outputs, inputs, weights).values()

    def dot(x, y):
        return sum(p * q for p, q in zip(x, y))

    for (code, a, b, c, d, shift, lo, hi), (dtype, _, _) in zip(graph.ops, graph.outputs):
        x = get(a)
        if code == MATMUL:
            out = [[dot(row, col) for col in get(b)] for row in x]
        elif code == QLINEAR:
            w, bias, mult = get(b), get(c)[0], get(d)[0]
            half = 1 << (shift - 1)  # Python's >> floors
            out = [
                [clamp(((dot(row, w[j]) + bias[j]) * mult[j] + half) >> shift, lo, hi) for j in range(len(w))]
                for row in x
            ]
        elif code == LUT:
            table = get(b)[0]
            out = [[table[v + 128] for v in row] for row in x]
        elif code == ADD:
            out = [[clamp(p + q, -128, 127) for p, q in zip(r, s)] for r, s in zip(x, get(b))]
        else:
            out = [[row.index(max(row))] for row in x]
        outputs.append(Tensor.of(dtype, out))
    return outputs


def run_fast(graph, inputs, weights):
    """The same outputs with numpy. 64 bits are enough: a sum with its bias stays below 2^32, scaled below 2^63."""
    import numpy

    outputs = []

    def get(code):
        return operand(code, outputs, inputs, weights).array().astype(numpy.int64)

    for (code, a, b, c, d, shift, lo, hi), (dtype, _, _) in zip(graph.ops, graph.outputs):
        x = get(a)
        if code == MATMUL:
            out = x @ get(b).T
        elif code == QLINEAR:
            scaled = (x @ get(b).T + get(c)) * get(d) + (1 << (shift - 1))
            out = numpy.clip(scaled >> shift, lo, hi)
        elif code == LUT:
            out = get(b)[0][x + 128]
        elif code == ADD:
            out = numpy.clip(x + get(b), -128, 127)
        else:
            out = x.argmax(axis=1)[:, None]
        outputs.append(Tensor.from_array(out.astype(numpy.int8 if dtype == INT8 else numpy.int32)))
    return outputs
