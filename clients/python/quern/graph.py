"""Graphs: parsed and checked as the program seals them."""

import struct

from .tensor import MAX_DIM, SIZE

MAX_INNER, MAX_ARGMAX = 32768, 8192
# Rows of a tensor that has one a batch row.
BATCH = "batch"
# Opcodes.
MATMUL, QLINEAR, LUT, ADD, ARGMAX = 1, 2, 3, 4, 5
# The code of an operand that an op does not take, and where inputs and weights begin; ops begin at 0.
NONE, INPUT, WEIGHT = 255, 64, 128


class Refused(Exception):
    """Why a graph cannot be sealed, by the program's name."""

    def __init__(self, name):
        super().__init__(name)
        self.name = name


def need(condition, name):
    if not condition:
        raise Refused(name)


class Graph:
    """Parses and seals: shapes of all outputs and MACs."""

    def __init__(self, raw):
        need(len(raw) >= 8, "BadLength")
        version, n_inputs, n_weights, n_ops = raw[:4]
        need(version == 1, "UnknownVersion")
        need(raw[4:8] == bytes(4), "ReservedNotZero")
        need(n_inputs <= 4, "TooManyInputs")
        need(n_weights <= 64, "TooManyWeights")
        need(n_ops <= 64, "TooManyOps")
        need(n_ops > 0, "NoOps")
        need(len(raw) == 8 + 12 * n_inputs + 44 * n_weights + 8 * n_ops, "BadLength")
        at = 8
        self.inputs, self.weights, self.roots, self.ops = [], [], [], []
        for _ in range(n_inputs):
            dtype, kind, reserved, rows, cols = struct.unpack_from("<BBHII", raw, at)
            need(reserved == 0, "ReservedNotZero")
            need(kind in (0, 1), "UnknownRowsKind")
            need(kind == 0 or rows == 0, "BatchInputHasRows")
            self.inputs.append(self.shape(dtype, BATCH if kind == 1 else rows, cols))
            at += 12
        for _ in range(n_weights):
            dtype, r0, r1, rows, cols, root = struct.unpack_from("<BBHII32s", raw, at)
            need(r0 == r1 == 0, "ReservedNotZero")
            self.weights.append(self.shape(dtype, rows, cols))
            self.roots.append(root)
            at += 44
        self.fixed = self.per_row = 0
        self.outputs = []
        for _ in range(n_ops):
            op = struct.unpack_from("<BBBBBBbb", raw, at)
            self.ops.append(op)
            self.outputs.append(self.output(op, n_ops))
            at += 8

    @staticmethod
    def shape(dtype, rows, cols):
        need(dtype in SIZE, "UnknownDType")
        need(rows != 0 and cols != 0, "EmptyTensor")
        need(cols <= MAX_DIM and (rows == BATCH or rows <= MAX_DIM), "TensorTooLarge")
        return (dtype, rows, cols)

    def operand(self, code, n_ops):
        need(code != 255, "MissingOperand")
        if code <= 63:
            need(code < n_ops, "UnknownOperand")
            need(code < len(self.outputs), "ForwardReference")
            return self.outputs[code]
        if 64 <= code <= 67 and code - 64 < len(self.inputs):
            return self.inputs[code - 64]
        if 128 <= code <= 191 and code - 128 < len(self.weights):
            return self.weights[code - 128]
        raise Refused("UnknownOperand")

    def product(self, a, b):
        need(b[0] == 1, "WrongDType")
        need(b[1] != BATCH, "MatrixIsBatch")
        need(a[2] == b[2], "InnerMismatch")
        need(a[2] <= MAX_INNER, "InnerTooLong")
        if a[1] == BATCH:
            self.per_row += b[1] * a[2]
        else:
            self.fixed += a[1] * b[1] * a[2]
        return b[1]

    def output(self, op, n_ops):
        code, *operands, shift, lo, hi = op
        need(1 <= code <= 5, "UnknownOpcode")
        taken = {1: 2, 2: 4, 3: 2, 4: 2, 5: 1}[code]
        need(all(x == 255 for x in operands[taken:]), "UnusedOperand")
        if code == 2:
            need(1 <= shift <= 47, "ShiftOutOfRange")
            need(lo <= hi, "EmptyClamp")
        else:
            need(shift == lo == hi == 0, "UnusedConstant")
        a = self.operand(operands[0], n_ops)
        others = [self.operand(x, n_ops) for x in operands[1:taken]]
        is_weight = [128 <= x <= 191 for x in operands[1:taken]]
        if code == 5:
            need(a[2] <= MAX_ARGMAX, "ArgmaxTooWide")
            return (2, a[1], 1)
        need(a[0] == 1, "WrongDType")
        if code == 1:
            need(operands[1] > 63, "MatrixIsComputed")
            return (2, a[1], self.product(a, others[0]))
        if code == 2:
            need(is_weight[0], "MatrixIsNoWeight")
            need(is_weight[1], "BiasIsNoWeight")
            need(is_weight[2], "MultIsNoWeight")
            need(others[1][0] == 2 and others[2][0] == 2, "WrongDType")
            n = self.product(a, others[0])
            need(others[1][1:] == (1, n), "BiasShape")
            need(others[2][1:] == (1, n), "MultShape")
            return (1, a[1], n)
        if code == 3:
            need(is_weight[0], "TableIsNoWeight")
            need(others[0][0] == 1, "WrongDType")
            need(others[0][1:] == (1, 256), "TableShape")
            return a
        need(others[0][0] == 1, "WrongDType")
        need((a[1] == BATCH) == (others[0][1] == BATCH), "AddRowsKind")
        need(a == others[0], "AddShape")
        return a

    def check_batch_rows(self, n):
        if any(rows == BATCH for _, rows, _ in self.inputs):
            need(n > 0, "NoBatchRows")
            need(n <= MAX_DIM, "TooManyBatchRows")
        else:
            need(n == 0, "UnusedBatchRows")


def encode(inputs, weights, ops):
    """The bytes of a graph.

    `inputs` are (dtype, rows or BATCH, cols), `weights` are tensors, an op is (opcode, a, b, c, d, shift, lo, hi). `Graph` checks
    the result.
    """
    raw = struct.pack("<BBBBI", 1, len(inputs), len(weights), len(ops), 0)
    for dtype, rows, cols in inputs:
        is_batch = rows == BATCH
        raw += struct.pack("<BBHII", dtype, is_batch, 0, 0 if is_batch else rows, cols)
    for weight in weights:
        raw += struct.pack("<BBHII32s", weight.dtype, 0, 0, weight.rows, weight.cols, weight.root())
    return raw + b"".join(struct.pack("<BBBBBBbb", *op) for op in ops)
