"""Tensors of int8 or int32 with two dimensions, and the files that hold them."""

import struct

from .roots import DATA, leaf_hash, leaves_of_row, levels_over, power_of_two

INT8, INT32 = 1, 2
# Bytes of a value, by dtype.
SIZE = {INT8: 1, INT32: 4}
MAX_DIM = 1 << 20
HEADER_BYTES = 16


class Tensor:
    """Values row by row, little-endian: what a file has behind its header."""

    def __init__(self, dtype, rows, cols, data):
        if dtype not in SIZE or not 1 <= rows <= MAX_DIM or not 1 <= cols <= MAX_DIM:
            raise ValueError(f"no tensor has dtype {dtype} and {rows} x {cols} values; both sides are 1 to {MAX_DIM}")
        if len(data) != rows * cols * SIZE[dtype]:
            raise ValueError(f"{rows} x {cols} values of dtype {dtype} do not have {len(data)} bytes")
        self.dtype, self.rows, self.cols, self.data = dtype, rows, cols, data

    @staticmethod
    def of(dtype, values):
        """A tensor of rows of numbers."""
        code = "b" if dtype == 1 else "i"
        flat = [v for row in values for v in row]
        return Tensor(dtype, len(values), len(values[0]), struct.pack(f"<{len(flat)}{code}", *flat))

    @staticmethod
    def from_file(raw):
        """The tensor that a file holds."""
        return Tensor(*header_of(raw, 0), raw[HEADER_BYTES:])

    @staticmethod
    def from_array(array):
        """A tensor of a numpy array of int8 or int32 with two dimensions."""
        dtype = {"int8": INT8, "int32": INT32}.get(str(array.dtype))
        if dtype is None or array.ndim != 2:
            raise ValueError(f"a tensor is int8 or int32 with 2 dimensions, not {array.dtype} with {array.ndim}")
        little = array.astype("<i1" if dtype == INT8 else "<i4")
        return Tensor(dtype, *array.shape, little.tobytes())

    def array(self):
        """The values as a numpy array."""
        import numpy

        kind = "<i1" if self.dtype == INT8 else "<i4"
        return numpy.frombuffer(self.data, kind).reshape(self.rows, self.cols)

    def to_file(self):
        """The bytes of its file."""
        return struct.pack("<4sBBHII", b"QTEN", 1, self.dtype, 0, self.rows, self.cols) + self.data

    def values(self):
        """Rows of numbers."""
        code = "b" if self.dtype == 1 else "i"
        flat = struct.unpack(f"<{self.rows * self.cols}{code}", self.data)
        return [list(flat[i : i + self.cols]) for i in range(0, len(flat), self.cols)]

    def row(self, i):
        """The bytes of a row."""
        n = self.cols * SIZE[self.dtype]
        return self.data[i * n : (i + 1) * n]

    def tree(self):
        """All levels, every position written out; and P, the leaf positions of a row."""
        length = -(-self.cols * SIZE[self.dtype] // 128)
        p, r = power_of_two(length), power_of_two(self.rows)
        bottom = []
        for i in range(r):
            row = [leaf_hash(x) for x in leaves_of_row(self.row(i))] if i < self.rows else []
            bottom += row + [bytes(32)] * (p - len(row))
        return levels_over(bottom, DATA), p

    def root(self):
        """The data root: what a job names of its inputs, and a graph of its weights."""
        return self.tree()[0][0][0]


def header_of(raw, at):
    """Dtype, rows and columns of the tensor that begins there."""
    if len(raw) < at + HEADER_BYTES:
        raise ValueError(f"no tensor begins at byte {at}: the file ends too early")
    magic, version, dtype, reserved, rows, cols = struct.unpack_from("<4sBBHII", raw, at)
    if (magic, version, reserved) != (b"QTEN", 1, 0) or dtype not in SIZE:
        raise ValueError(f"no tensor begins at byte {at}: it has other bytes than QTEN, version 1 and a known dtype")
    return dtype, rows, cols


def read_bundle(raw):
    """The tensors of a bundle, a file of weights."""
    tensors, at = [], 0
    while at < len(raw):
        dtype, rows, cols = header_of(raw, at)
        end = at + HEADER_BYTES + rows * cols * SIZE[dtype]
        tensors.append(Tensor.from_file(raw[at:end]))
        at = end
    return tensors


def write_bundle(tensors):
    """The bytes of a bundle: the tensors' files one after the other."""
    return b"".join(tensor.to_file() for tensor in tensors)


def write_trace(outputs):
    """The bytes of a trace file: what a provider publishes of a result."""
    return struct.pack("<4sBBH", b"QTRC", 1, len(outputs), 0) + write_bundle(outputs)


def read_trace(raw):
    """The outputs of all ops out of a trace file."""
    if len(raw) < 8:
        raise ValueError("not a trace file: it has less than 8 bytes")
    magic, version, count, reserved = struct.unpack_from("<4sBBH", raw)
    if (magic, version, reserved) != (b"QTRC", 1, 0):
        raise ValueError("not a trace file: it begins with other bytes than QTRC and version 1")
    outputs = read_bundle(raw[8:])
    if len(outputs) != count:
        raise ValueError(f"the trace file promises {count} outputs and has {len(outputs)}")
    return outputs
