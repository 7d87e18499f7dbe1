"""Graphs: written, parsed and checked as the program seals them."""

import struct

from .tensor import INT8, INT32, MAX_COLS, MAX_OPS, MAX_ROWS, SIZE, limits

MAX_INPUTS, MAX_WEIGHTS = 8, 1024
MAX_INNER, MAX_WIDTH, MAX_SHIFT = 32_768, 8_192, 47
# Opcodes.
DOT, MIX, LUT, GATHER, NORM, SOFTMAX, ARGMAX, FEEDBACK = range(1, 9)
# Flags: the result is stored transposed; MIX swaps the columns of b in pairs; NORM takes no mean off; SOFTMAX lets row i see
# columns 0..=i; DOT reads b by columns of the result.
T, PAIR, RMS, CAUSAL, SIDE = 1, 2, 4, 8, 16
# Whether an input is the same for all items of a job, or each item has its own rows.
FIXED, ITEM = 0, 1
# Operand codes: ops begin at 0. NONE is the code of an operand that an op does not take.
INPUT, WEIGHT, NONE = 1024, 2048, 65_534
HEADER_BYTES, INPUT_BYTES, WEIGHT_BYTES, OP_BYTES = 16, 12, 44, 32


class Refused(Exception):
    """Why a graph cannot be sealed, by the program's name."""

    def __init__(self, name):
        super().__init__(name)
        self.name = name


def need(condition, name):
    if not condition:
        raise Refused(name)


def is_code(code):
    """Whether a code may name an operand."""
    return code < MAX_OPS or INPUT <= code < INPUT + MAX_INPUTS or WEIGHT <= code < WEIGHT + MAX_WEIGHTS


def check_extent(rows, cols):
    need(rows != 0 and cols != 0, "EmptyTensor")
    need(rows <= MAX_ROWS and cols <= MAX_COLS, "TensorTooLarge")


def divide(length, parts, name):
    """A length cut into equal parts."""
    need(parts != 0 and length % parts == 0, name)
    return length // parts


class Op:
    """A record of 32 bytes. `rows` and `cols` are those of the result as stored.

    `encode` derives rows, columns and kind, so that a new op needs none of them; GATHER states its rows (with flag T its columns).
    """

    def __init__(self, opcode, a, b=NONE, c=NONE, d=NONE, *, dtype=INT32, flags=0, groups=1, share=1, shift=0, **rest):
        """`rest`: `bounds` of DOT and MIX or `constant` (eps of NORM, mult of SOFTMAX); `rows`, `cols`, `kind`."""
        self.opcode, self.flags, self.dtype, self.kind = opcode, flags, dtype, rest.get("kind", 0)
        self.codes, self.groups, self.share, self.shift = (a, b, c, d), groups, share, shift
        self.rows, self.cols = rest.get("rows", 0), rest.get("cols", 0)
        self.constant = rest.get("constant", 0)
        if "bounds" in rest:
            (self.constant,) = struct.unpack("<I", struct.pack("<2h", *rest["bounds"]))
        elif opcode in (DOT, MIX) and dtype != INT32 and "constant" not in rest:
            (self.constant,) = struct.unpack("<I", struct.pack("<2h", *limits(dtype)))

    @staticmethod
    def from_bytes(raw):
        """The op in a record."""
        need(raw[25:28] == bytes(3), "ReservedNotZero")
        opcode, flags, dtype, kind, a, b, c, d, rows, cols, groups, share, shift = struct.unpack_from("<4B4H2I2HB", raw)
        need(flags < 32, "UnknownFlag")
        need(dtype in SIZE, "UnknownDType")
        need(groups != 0 and share != 0, "NoGroups")
        (constant,) = struct.unpack_from("<I", raw, 28)
        more = {"rows": rows, "cols": cols, "kind": kind, "constant": constant}
        return Op(opcode, a, b, c, d, dtype=dtype, flags=flags, groups=groups, share=share, shift=shift, **more)

    def to_bytes(self):
        """The record."""
        head = (self.opcode, self.flags, self.dtype, self.kind, *self.codes)
        return struct.pack("<4B4H2I2HB3xI", *head, self.rows, self.cols, self.groups, self.share, self.shift, self.constant)

    @property
    def logical(self):
        """R and C of the definitions: rows and columns before the result is stored."""
        return (self.cols, self.rows) if self.flags & T else (self.rows, self.cols)

    @property
    def bounds(self):
        """The least and the greatest result."""
        if self.opcode in (DOT, MIX) and self.dtype != INT32:
            return struct.unpack("<2h", struct.pack("<I", self.constant))
        return limits(self.dtype)

    def _operand(self, slot):
        code = self.codes[slot]
        need(code == NONE or is_code(code), "UnknownOperand")
        return code

    def _named(self, *slots):
        for slot in slots:
            need(self._operand(slot) != NONE, "MissingOperand")

    def _takes(self, flags, operands):
        need(self.flags & ~(flags | T) == 0, "UnusedConstant")
        need(all(code == NONE for code in self.codes[operands:]), "UnusedOperand")

    def _check_bounds(self):
        lo, hi = struct.unpack("<2h", struct.pack("<I", self.constant))
        if self.dtype == INT32:
            need(self.constant == 0, "UnusedConstant")
            return
        need(lo <= hi, "EmptyClamp")
        need(lo >= limits(self.dtype)[0] and hi <= limits(self.dtype)[1], "ClampOutsideType")

    def check(self):
        """What the record says by itself: operands, flags and constants that the op takes, within their limits."""
        need(1 <= self.opcode <= 8, "UnknownOpcode")
        {DOT: self._check_dot, MIX: self._check_mix, NORM: self._check_norm, SOFTMAX: self._check_softmax}.get(
            self.opcode, self._check_plain
        )()

    def _check_dot(self):
        self._takes(SIDE, 3)
        has_parameters = self._operand(2) != NONE
        if has_parameters:
            need(1 <= self.shift <= MAX_SHIFT, "ShiftOutOfRange")
        else:
            need(self.shift == 0, "UnusedConstant")
        self._named(0, 1)
        self._check_bounds()

    def _check_mix(self):
        self._takes(PAIR, 4)
        need(self.groups == self.share == 1, "UnusedConstant")
        self._named(0)
        _, has_b, _, has_d = [self._operand(slot) != NONE for slot in range(4)]
        need(self.shift <= MAX_SHIFT, "ShiftOutOfRange")
        self._check_bounds()
        need(has_b or not has_d, "UnusedOperand")
        need(has_b or not self.flags & PAIR, "UnusedConstant")

    def _check_norm(self):
        self._takes(RMS, 2)
        need(self.share == 1, "UnusedConstant")
        self._named(0, 1)
        need(self.constant < 1 << 31, "ConstantOutOfRange")
        need(1 <= self.shift <= MAX_SHIFT, "ShiftOutOfRange")

    def _check_softmax(self):
        self._takes(CAUSAL, 2)
        need(self.share == 1, "UnusedConstant")
        need(self.dtype != INT32, "WrongDType")
        self._named(0)
        self._operand(1)
        need(self.constant < 1 << 30, "ConstantOutOfRange")
        need(self.shift <= MAX_SHIFT, "ShiftOutOfRange")

    def _check_plain(self):
        operands = 1 if self.opcode == ARGMAX else 2
        self._takes(0, operands)
        need(self.groups == self.share == 1 and self.shift == 0 and self.constant == 0, "UnusedConstant")
        self._named(*range(operands))


def form_of(op, shapes):
    """dtype, R, C and K (0 without a product) of an op whose operands have these shapes by slot, None where there is none."""
    a = shapes[0]
    if op.opcode == DOT:
        return _form_of_dot(op, *shapes[:3])
    if op.opcode == MIX:
        _check_mix_shapes(op, *shapes)
    elif op.opcode == LUT:
        return _form_of_lut(op, a, shapes[1])
    elif op.opcode == GATHER:
        return _form_of_gather(op, a, shapes[1])
    elif op.opcode == NORM:
        width = _width(op, a)
        need(_parameter_cols(op.codes[1], shapes[1]) == width, "ParametersShape")
    elif op.opcode == SOFTMAX:
        width = _width(op, a)
        if shapes[1] is not None:
            need(shapes[1][0] == INT8, "WrongDType")
            _check_repeat(shapes[1], a[1], width)
    elif op.opcode == ARGMAX:
        return INT32, a[1], 1, a[2]
    else:
        need(INPUT <= op.codes[0] < WEIGHT, "IsNoInput")
        need(a[0] == shapes[1][0] == INT32, "WrongDType")
        need(a[1] == 1 and shapes[1][1:] == (1, a[2]), "TokensShape")
        need(a[2] <= MAX_WIDTH, "TooWide")
        return INT32, 1, a[2], 0
    return op.dtype, a[1], a[2], 0


def _form_of_dot(op, a, b, p):
    need(a[0] != INT32 and b[0] == INT8, "WrongDType")
    k = divide(a[2], op.groups, "GroupsDontDivide")
    of_b = divide(op.groups, op.share, "GroupsDontDivide")
    n = divide(b[1], of_b, "GroupsDontDivide") if op.flags & SIDE else b[1]
    need(b[2] == (k if op.flags & SIDE else of_b * k), "InnerMismatch")
    need(k <= MAX_INNER, "InnerTooLong")
    cols = op.groups * n
    need(cols < 1 << 32, "TensorTooLarge")
    if p is None:
        return INT32, a[1], cols, k
    divide(cols, _parameter_cols(op.codes[2], p), "ParametersShape")
    return op.dtype, a[1], cols, k


def _check_mix_shapes(op, a, b, c, d):
    for other in (b, c, d):
        if other is not None:
            _check_repeat(other, a[1], a[2])
    if b is not None:
        need(all(factor is None or factor[0] != INT32 for factor in (c, d)), "WrongDType")
        need(not op.flags & PAIR or b[2] % 2 == 0, "PairsUneven")


def _form_of_lut(op, a, table):
    need(a[0] != INT32, "WrongDType")
    need(op.codes[1] >= WEIGHT, "IsNoWeight")
    need(table[1:] == (1, 1 << (8 * SIZE[a[0]])), "TableShape")
    return table[0], a[1], a[2], 0


def _form_of_gather(op, x, table):
    need(x[0] == INT32, "WrongDType")
    need(x[1] == 1, "IndexShape")
    rows = op.logical[0]
    cols = divide(x[2], rows, "IndexShape") * table[2]
    need(cols < 1 << 32, "TensorTooLarge")
    return table[0], rows, cols, 0


def _width(op, a):
    width = divide(a[2], op.groups, "GroupsDontDivide")
    need(width <= MAX_WIDTH, "TooWide")
    return width


def _parameter_cols(code, shape):
    need(code >= WEIGHT, "IsNoWeight")
    need(shape[0] == INT32, "WrongDType")
    need(shape[1] == 2, "ParametersShape")
    return shape[2]


def _check_repeat(shape, rows, cols):
    need(rows % shape[1] == 0 and cols % shape[2] == 0, "NoRepeat")


def kind_of(op, shapes, kinds, form, tokens):
    """How the result depends on the tokens, of which there are `tokens`; `form` is what `form_of` said.

    0 it does not, 1 by rows, 2 by columns, 3 by pairs, 4 as 1 and exactly 0 above the diagonal. What has no kind is refused.
    """
    found = _kind_before_t(op, shapes, kinds, form, tokens)
    if found is None and not any(kinds):
        found = 0
    if op.flags & T:
        found = {0: 0, 1: 2, 4: 2, 2: 1}.get(found)
    need(found is not None, "NoKind")
    return found


def _kind_before_t(op, shapes, kinds, form, tokens):
    (a, b, _, _), (_, rows, cols, inner) = kinds, form
    by_rows = (1, 4)
    if op.opcode == LUT:
        return 1 if a == 4 else a
    if op.opcode in (NORM, ARGMAX):
        return 1 if a in by_rows else None
    if op.opcode == GATHER:
        return 1 if (a, b) == (2, 0) and shapes[0][2] == rows else None
    if op.opcode == SOFTMAX:
        if b == 0 and op.flags & CAUSAL:
            return 4 if cols // op.groups == tokens and a in (0, 1, 3, 4) else None
        return 1 if b == 0 and a in by_rows else None
    if op.opcode == FEEDBACK:
        return 2 if (a, b) == (0, 2) and not op.flags & T else None
    if op.opcode == DOT:
        if a in by_rows and b == 0:
            return 1
        if not op.flags & SIDE and a in (0, 1, 4) and b in by_rows and cols // op.groups == tokens:
            return 3
        return 1 if op.flags & SIDE and a == 4 and b == 2 and inner == tokens else None
    return _kind_of_mix(op, shapes, kinds, rows, cols)


def _kind_of_mix(op, shapes, kinds, rows, cols):
    parts = [(kind, shape) for kind, shape in zip(kinds, shapes) if shape is not None and kind]
    all_kinds = {kind for kind, _ in parts}
    has_all_rows = all(shape[1] == rows for _, shape in parts)
    is_by_columns = all(shape[2] == cols for _, shape in parts) and not op.flags & PAIR
    if not parts:
        return None
    if all_kinds == {2}:
        return 2 if is_by_columns else None
    if all_kinds == {3}:
        return 3 if is_by_columns and has_all_rows else None
    return 1 if all_kinds <= {1, 4} and has_all_rows else None


class Graph:
    """Parses and seals: shapes of all tensors in one item, work, bytes of the trace.

    `inputs` are (dtype, scope, rows, cols), `weights` (dtype, rows, cols), `shapes` (dtype, rows, cols) by operand code.
    """

    def __init__(self, raw):
        counts = self._header(raw)
        self.inputs, self.weights, self.roots, self.ops = [], [], [], []
        self.shapes, self.kinds = {}, {}
        self.work = self.trace_bytes = self.most_rows = 0
        at = HEADER_BYTES
        for index in range(counts[0]):
            self._input(raw[at : at + INPUT_BYTES], index)
            at += INPUT_BYTES
        for index in range(counts[1]):
            self._weight(raw[at : at + WEIGHT_BYTES], index)
            at += WEIGHT_BYTES
        self.text_len = self._text_len()
        # Codes of ops that are there, so that one beyond them is told from one that comes later.
        self.op_count = counts[2]
        for _ in range(counts[2]):
            self._op(Op.from_bytes(raw[at : at + OP_BYTES]))
            at += OP_BYTES
        self._check_feedback()

    def _header(self, raw):
        need(len(raw) >= HEADER_BYTES, "BadLength")
        version, inputs, weights, ops, self.tokens, self.feedback = struct.unpack_from("<2B4H", raw)
        need(version == 2, "UnknownVersion")
        need(raw[10:16] == bytes(6), "ReservedNotZero")
        need(inputs <= MAX_INPUTS, "TooManyInputs")
        need(weights <= MAX_WEIGHTS, "TooManyWeights")
        need(ops <= MAX_OPS, "TooManyOps")
        need(ops > 0, "NoOps")
        length = HEADER_BYTES + INPUT_BYTES * inputs + WEIGHT_BYTES * weights + OP_BYTES * ops
        need(len(raw) == length, "BadLength")
        need((self.tokens == NONE) == (self.feedback == NONE), "TokensAlone")
        return inputs, weights, ops

    def _input(self, raw, index):
        dtype, scope, reserved, rows, cols = struct.unpack("<2BH2I", raw)
        need(reserved == 0, "ReservedNotZero")
        need(scope in (FIXED, ITEM), "UnknownScope")
        need(dtype in SIZE, "UnknownDType")
        check_extent(rows, cols)
        self.inputs.append((dtype, scope, rows, cols))
        self.shapes[INPUT + index] = (dtype, rows, cols)
        if scope == ITEM:
            self.most_rows = max(self.most_rows, rows)
            self.add_work(0, (dtype, rows, cols))

    def _weight(self, raw, index):
        dtype, reserved, rows, cols, root = struct.unpack("<B3s2I32s", raw)
        need(reserved == bytes(3), "ReservedNotZero")
        need(dtype in SIZE, "UnknownDType")
        check_extent(rows, cols)
        self.weights.append((dtype, rows, cols))
        self.roots.append(root)
        self.shapes[WEIGHT + index] = (dtype, rows, cols)

    def _text_len(self):
        """How many tokens a text has; 0 without tokens."""
        if self.tokens == NONE:
            return 0
        need(is_code(self.tokens), "UnknownOperand")
        need(INPUT <= self.tokens < WEIGHT, "IsNoInput")
        need(self.tokens - INPUT < len(self.inputs), "UnknownOperand")
        dtype, scope, rows, cols = self.inputs[self.tokens - INPUT]
        need((dtype, scope, rows) == (INT32, ITEM, 1) and cols <= MAX_WIDTH, "TokensShape")
        self.kinds[self.tokens] = 2
        return cols

    def _op(self, op):
        op.check()
        shapes, kinds = self.reads(op)
        form = form_of(op, shapes)
        need(form[0] == op.dtype, "WrongDType")
        need(form[1:3] == op.logical, "WrongShape")
        check_extent(op.rows, op.cols)
        kind = kind_of(op, shapes, kinds, form, self.text_len) if self.text_len else 0
        need(kind == op.kind, "WrongKind")
        self.add(op, form[3])

    def add(self, op, inner):
        """Takes an op that has been checked."""
        values, size = op.rows * op.cols, SIZE[op.dtype]
        self.add_work(values * inner, (op.dtype, op.rows, op.cols))
        self.trace_bytes += values * size
        self.most_rows = max(self.most_rows, op.rows)
        self.shapes[len(self.ops)] = (op.dtype, op.rows, op.cols)
        self.kinds[len(self.ops)] = op.kind
        self.ops.append(op)

    def add_work(self, reading, shape):
        """What an op reads, and the leaves of a tensor: 64 for each byte that is hashed."""
        dtype, rows, cols = shape
        self.work += reading + rows * -(-cols * SIZE[dtype] // 128) * 128 * 64
        need(self.work < 1 << 64, "WorkOverflow")

    def reads(self, op):
        """Shapes and kinds of an op's operands by slot."""
        for code in op.codes:
            if code != NONE and code not in self.shapes:
                need(not len(self.ops) <= code < self.op_count, "ForwardReference")
                raise Refused("UnknownOperand")
        return [self.shapes.get(code) for code in op.codes], [self.kinds.get(code, 0) for code in op.codes]

    def _check_feedback(self):
        if self.tokens == NONE:
            return
        need(is_code(self.feedback), "UnknownOperand")
        need(self.feedback < INPUT, "IsNoFeedback")
        need(self.feedback < len(self.ops), "UnknownOperand")
        op = self.ops[self.feedback]
        need(op.opcode == FEEDBACK, "IsNoFeedback")
        need((op.rows, op.cols) == (1, self.text_len), "TokensShape")

    def check_items(self, items):
        """Whether a job may have this many items."""
        need(items > 0, "NoItems")
        has_items = any(scope == ITEM for _, scope, _, _ in self.inputs)
        need(items == 1 or has_items, "OneItemOnly")
        need(items * self.most_rows <= MAX_ROWS, "TooManyItems")


def encode(inputs, weights, ops, tokens=NONE, feedback=NONE):
    """The bytes of a graph. `Graph` checks the result.

    `inputs` are (dtype, FIXED or ITEM, rows, cols), `weights` are tensors, `ops` are `Op`s, whose rows, columns and kinds are derived.
    """
    raw = struct.pack("<2B4H6x", 2, len(inputs), len(weights), len(ops), tokens, feedback)
    for dtype, scope, rows, cols in inputs:
        raw += struct.pack("<2BH2I", dtype, scope, 0, rows, cols)
    for weight in weights:
        raw += struct.pack("<B3x2I32s", weight.dtype, weight.rows, weight.cols, weight.root())
    shapes = {INPUT + i: (dtype, rows, cols) for i, (dtype, _, rows, cols) in enumerate(inputs)}
    shapes |= {WEIGHT + i: (weight.dtype, weight.rows, weight.cols) for i, weight in enumerate(weights)}
    kinds = {} if tokens == NONE else {tokens: 2}
    for index, op in enumerate(ops):
        need(all(code == NONE or code in shapes for code in op.codes), "UnknownOperand")
        reads = [shapes.get(code) for code in op.codes], [kinds.get(code, 0) for code in op.codes]
        form = form_of(op, reads[0])
        op.rows, op.cols = (form[2], form[1]) if op.flags & T else form[1:3]
        op.kind = kind_of(op, *reads, form, shapes[tokens][2]) if tokens != NONE else 0
        shapes[index], kinds[index] = (op.dtype, op.rows, op.cols), op.kind
    return raw + b"".join(op.to_bytes() for op in ops)
