"""Tensors of int8, int16 or int32 with two dimensions, and the files that hold them."""

import struct

from .roots import DATA, leaf_hash, leaves_of_row, levels_over, power_of_two

INT8, INT32, INT16 = 1, 2, 3
# Bytes of a value, by dtype.
SIZE = {INT8: 1, INT16: 2, INT32: 4}
NAMES = {INT8: "int8", INT16: "int16", INT32: "int32"}
MAX_ROWS, MAX_COLS = 1 << 24, 1 << 20
MAX_OPS = 1024
FILE_VERSION = 2
HEADER_BYTES, TRACE_HEADER_BYTES = 16, 8
_LETTER = {INT8: "b", INT16: "h", INT32: "i"}


def limits(dtype):
    """The least and the greatest value of a type."""
    half = 1 << (8 * SIZE[dtype] - 1)
    return -half, half - 1


class Tensor:
    """Values row by row, little-endian: what a file has behind its header."""

    def __init__(self, dtype, rows, cols, data):
        if dtype not in SIZE or not 1 <= rows <= MAX_ROWS or not 1 <= cols <= MAX_COLS:
            raise ValueError(
                f"no tensor has dtype {dtype} and {rows} x {cols} values: a type is 1 (int8), 2 (int32) or 3 (int16),"
                f" rows are 1 to {MAX_ROWS}, columns 1 to {MAX_COLS}"
            )
        if len(data) != rows * cols * SIZE[dtype]:
            raise ValueError(f"{rows} x {cols} values of dtype {dtype} do not have {len(data)} bytes")
        self.dtype, self.rows, self.cols, self.data = dtype, rows, cols, data
        self._flat = None

    @staticmethod
    def of(dtype, values):
        """A tensor of rows of numbers."""
        flat = [v for row in values for v in row]
        return Tensor(dtype, len(values), len(values[0]), struct.pack(f"<{len(flat)}{_LETTER[dtype]}", *flat))

    @staticmethod
    def from_file(raw):
        """The tensor that a file holds."""
        return Tensor(*header_of(raw, 0), raw[HEADER_BYTES:])

    @staticmethod
    def from_array(array):
        """A tensor of a numpy array of int8, int16 or int32 with two dimensions."""
        dtype = {name: dtype for dtype, name in NAMES.items()}.get(str(array.dtype))
        if dtype is None or array.ndim != 2:
            raise ValueError(f"a tensor is int8, int16 or int32 with 2 dimensions, not {array.dtype} with {array.ndim}")
        return Tensor(dtype, *array.shape, array.astype(f"<i{SIZE[dtype]}").tobytes())

    def array(self):
        """The values as a numpy array."""
        import numpy

        return numpy.frombuffer(self.data, f"<i{SIZE[self.dtype]}").reshape(self.rows, self.cols)

    def to_file(self):
        """The bytes of its file."""
        return struct.pack("<4sBBHII", b"QTEN", FILE_VERSION, self.dtype, 0, self.rows, self.cols) + self.data

    def span(self, row, first, end):
        """The numbers of columns `first` to `end` (not included) of a row."""
        if not (0 <= row < self.rows and 0 <= first < end <= self.cols):
            raise IndexError(f"{self.rows} x {self.cols} values have no columns {first}..{end} in row {row}")
        if self._flat is None:
            self._flat = struct.unpack(f"<{self.rows * self.cols}{_LETTER[self.dtype]}", self.data)
        return self._flat[row * self.cols + first : row * self.cols + end]

    def values(self):
        """Rows of numbers."""
        return [list(self.span(row, 0, self.cols)) for row in range(self.rows)]

    def row(self, i):
        """The bytes of a row."""
        n = self.cols * SIZE[self.dtype]
        return self.data[i * n : (i + 1) * n]

    def item(self, index, rows):
        """The rows of one item, of a tensor over all items with this many rows each."""
        start = index * rows * self.cols * SIZE[self.dtype]
        return Tensor(self.dtype, rows, self.cols, self.data[start : start + rows * self.cols * SIZE[self.dtype]])

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
        """The data root: what a job names of its inputs, a graph of its weights, and a trace of its results."""
        return self.tree()[0][0][0]


def header_of(raw, at):
    """Dtype, rows and columns of the tensor that begins there."""
    if len(raw) < at + HEADER_BYTES:
        raise ValueError(f"no tensor begins at byte {at}: the file ends too early")
    magic, version, dtype, reserved, rows, cols = struct.unpack_from("<4sBBHII", raw, at)
    if (magic, version, reserved) != (b"QTEN", FILE_VERSION, 0) or dtype not in SIZE:
        raise ValueError(f"no tensor begins at byte {at}: it has other bytes than QTEN, version 2 and a known dtype")
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
    """The bytes of the trace file of an item: the results of all ops in it."""
    if not 1 <= len(outputs) <= MAX_OPS:
        raise ValueError(f"a trace holds the results of 1 to {MAX_OPS} ops, not of {len(outputs)}")
    return struct.pack("<4sBBH", b"QTRC", FILE_VERSION, 0, len(outputs)) + write_bundle(outputs)


def read_trace(raw):
    """The results of all ops out of the trace file of an item."""
    if len(raw) < TRACE_HEADER_BYTES:
        raise ValueError(f"not a trace file: it has less than {TRACE_HEADER_BYTES} bytes")
    magic, version, reserved, count = struct.unpack_from("<4sBBH", raw)
    if (magic, version, reserved) != (b"QTRC", FILE_VERSION, 0):
        raise ValueError("not a trace file: it begins with other bytes than QTRC and version 2")
    outputs = read_bundle(raw[TRACE_HEADER_BYTES:])
    if len(outputs) != count or not 1 <= count <= MAX_OPS:
        raise ValueError(f"the trace file promises {count} results and has {len(outputs)}")
    return outputs
