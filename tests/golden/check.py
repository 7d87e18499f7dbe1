#!/usr/bin/env python3
"""Reproduces tests/golden/proof.json without the Rust code: graphs, the five ops, commitments, openings, files.

Written from the design (every position of a tree is written out, every sum is a Python integer); standard library only.
Usage: python3 check.py [proof.json]. Ends with a count; exits 1 at the first difference.
"""

import hashlib
import json
import pathlib
import struct
import sys

MAX_DIM, MAX_INNER, MAX_ARGMAX = 1 << 20, 32768, 8192
SIZE = {1: 1, 2: 4}  # dtype code -> bytes: 1 = i8, 2 = i32
BATCH = "batch"

# --------------------------------------------------------------------------- commitments


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def leaf_hash(data):
    assert len(data) == 128
    return sha(b"\x00", data)


def levels_over(nodes, tag):
    """All levels of the tree over a power of two of nodes, the root's first."""
    levels = [nodes]
    while len(levels[0]) > 1:
        below = levels[0]
        levels.insert(0, [sha(tag, below[i], below[i + 1]) for i in range(0, len(below), 2)])
    return levels


def power_of_two(n):
    return 1 << (n - 1).bit_length()


def leaves_of_row(row):
    return [row[i : i + 128].ljust(128, b"\x00") for i in range(0, len(row), 128)]


class Tensor:
    def __init__(self, dtype, rows, cols, data):
        if dtype not in SIZE or not 1 <= rows <= MAX_DIM or not 1 <= cols <= MAX_DIM:
            raise ValueError("bad shape")
        if len(data) != rows * cols * SIZE[dtype]:
            raise ValueError("bad length")
        self.dtype, self.rows, self.cols, self.data = dtype, rows, cols, data

    @staticmethod
    def of(dtype, values):
        code = "b" if dtype == 1 else "i"
        flat = [v for row in values for v in row]
        return Tensor(dtype, len(values), len(values[0]), struct.pack(f"<{len(flat)}{code}", *flat))

    @staticmethod
    def from_file(raw):
        magic, version, dtype, reserved, rows, cols = struct.unpack_from("<4sBBHII", raw)
        if (magic, version, reserved) != (b"QTEN", 1, 0):
            raise ValueError("no tensor file")
        return Tensor(dtype, rows, cols, raw[16:])

    def to_file(self):
        return struct.pack("<4sBBHII", b"QTEN", 1, self.dtype, 0, self.rows, self.cols) + self.data

    def values(self):
        code = "b" if self.dtype == 1 else "i"
        flat = struct.unpack(f"<{self.rows * self.cols}{code}", self.data)
        return [list(flat[i : i + self.cols]) for i in range(0, len(flat), self.cols)]

    def row(self, i):
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
        return levels_over(bottom, b"\x01"), p


def path_of(levels, level, index):
    """Siblings bottom-up."""
    path = []
    while level > 0:
        path.append(levels[level][index ^ 1])
        level, index = level - 1, index >> 1
    return path


def climb(node, index, path, tag):
    for sibling in path:
        node = sha(tag, sibling, node) if index & 1 else sha(tag, node, sibling)
        index >>= 1
    return node


def answer_of(levels, level, index):
    height = len(levels) - 1
    depth = min(4, height - level)
    return levels[level + depth][index << depth : (index + 1) << depth]


# --------------------------------------------------------------------------- graphs


class Refused(Exception):
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


def clamp(x, lo, hi):
    return max(lo, min(hi, x))


def run(graph, inputs, weights):
    outputs = []

    def get(code):
        source, first = (outputs, 0) if code < 64 else (inputs, 64) if code < 128 else (weights, 128)
        return source[code - first].values()

    def dot(x, y):
        return sum(p * q for p, q in zip(x, y))

    for (code, a, b, c, d, shift, lo, hi), (dtype, _, _) in zip(graph.ops, graph.outputs):
        x = get(a)
        if code == 1:
            out = [[dot(row, col) for col in get(b)] for row in x]
        elif code == 2:
            w, bias, mult = get(b), get(c)[0], get(d)[0]
            half = 1 << (shift - 1)  # Python's >> floors
            out = [
                [clamp(((dot(row, w[j]) + bias[j]) * mult[j] + half) >> shift, lo, hi) for j in range(len(w))]
                for row in x
            ]
        elif code == 3:
            table = get(b)[0]
            out = [[table[v + 128] for v in row] for row in x]
        elif code == 4:
            out = [[clamp(p + q, -128, 127) for p, q in zip(r, s)] for r, s in zip(x, get(b))]
        else:
            out = [[row.index(max(row))] for row in x]
        outputs.append(Tensor.of(dtype, out))
    return outputs


# --------------------------------------------------------------------------- the vectors

checks = 0


def same(what, found, expected):
    global checks
    checks += 1
    if found != expected:
        print(f"DIFFERENT: {what}\n  computed {found}\n  in file  {expected}")
        sys.exit(1)


def hexes(nodes):
    return [node.hex() for node in nodes]


def check_hashes(vectors):
    for v in vectors:
        if v["what"] == "leaf":
            same("leaf", leaf_hash(bytes.fromhex(v["bytes"])).hex(), v["hash"])
        elif v["what"] == "zero subtree":
            for tag, key in ((b"\x01", "data"), (b"\x02", "trace")):
                node = bytes(32)
                for _ in range(v["height"]):
                    node = sha(tag, node, node)
                same(f"zero subtree {v['height']}", node.hex(), v[key])
        else:
            tag = {"data node": b"\x01", "trace node": b"\x02"}[v["what"]]
            node = sha(tag, bytes.fromhex(v["left"]), bytes.fromhex(v["right"]))
            same(v["what"], node.hex(), v["hash"])


def check_tensors(vectors):
    for v in vectors:
        raw = bytes.fromhex(v["file"])
        tensor = Tensor.from_file(raw)
        same("tensor file", tensor.to_file(), raw)
        levels, _ = tensor.tree()
        same("data root", levels[0][0].hex(), v["root"])
        same("height", len(levels) - 1, v["height"])
        same("all nodes", sha(*(node for level in levels for node in level)).hex(), v["all_nodes_hash"])


def check_graph(v):
    name = v["name"]
    graph = Graph(bytes.fromhex(v["graph"]))
    graph.check_batch_rows(v["batch_rows"])
    same(f"{name}: fixed MACs", graph.fixed, v["macs_fixed"])
    same(f"{name}: MACs per row", graph.per_row, v["macs_per_row"])
    same(f"{name}: MACs", graph.fixed + graph.per_row * v["batch_rows"], v["macs"])
    inputs = [Tensor.from_file(bytes.fromhex(x)) for x in v["inputs"]]
    weights = [Tensor.from_file(bytes.fromhex(x)) for x in v["weights"]]
    for tensors, shapes in ((inputs, graph.inputs), (weights, graph.weights)):
        rows = [(d, v["batch_rows"] if r == BATCH else r, c) for d, r, c in shapes]
        same(f"{name}: shapes", [(t.dtype, t.rows, t.cols) for t in tensors], rows)
    same(f"{name}: weight roots", hexes(t.tree()[0][0][0] for t in weights), hexes(graph.roots))

    outputs = run(graph, inputs, weights)
    same(f"{name}: outputs", len(outputs), len(v["outputs"]))
    for i, (found, expected) in enumerate(zip(outputs, v["outputs"])):
        same(f"{name}: output {i}", found.to_file().hex(), expected)
    roots = [t.tree()[0][0][0] for t in outputs]
    same(f"{name}: roots", hexes(roots), v["roots"])
    padded = roots + [bytes(32)] * (power_of_two(len(roots)) - len(roots))
    trace = levels_over(padded, b"\x02")
    same(f"{name}: trace root", trace[0][0].hex(), v["trace_root"])
    trace_file = struct.pack("<4sBBH", b"QTRC", 1, len(outputs), 0) + b"".join(t.to_file() for t in outputs)
    same(f"{name}: trace file", sha(trace_file).hex(), v["trace_file_hash"])

    def tensor_of(code):
        return outputs[code] if code < 64 else inputs[code - 64] if code < 128 else weights[code - 128]

    for o in v["leaves"]:
        what = f"{name}: leaf of tree {o['tree']}"
        tensor = tensor_of(o["tree"])
        levels, p = tensor.tree()
        data = leaves_of_row(tensor.row(o["row"]))[o["leaf"]]
        position = o["row"] * p + o["leaf"]
        same(what, data.hex(), o["bytes"])
        same(what, hexes(path_of(levels, len(levels) - 1, position)), o["path"])
        path = [bytes.fromhex(x) for x in o["path"]]
        same(what, climb(leaf_hash(data), position, path, b"\x01"), levels[0][0])
        trace_path = path_of(trace, len(trace) - 1, o["tree"]) if o["tree"] < 64 else []
        same(what, hexes(trace_path), o["trace_path"])
        if o["tree"] < 64:
            same(what, climb(levels[0][0], o["tree"], trace_path, b"\x02").hex(), v["trace_root"])
    for o in v["rows"]:
        what = f"{name}: row of tree {o['tree']}"
        tensor = tensor_of(o["tree"])
        levels, p = tensor.tree()
        row = tensor.row(o["row"])
        same(what, row.hex(), o["bytes"])
        level = len(levels) - 1 - (p.bit_length() - 1)
        same(what, hexes(path_of(levels, level, o["row"])), o["path"])
        nodes = [leaf_hash(x) for x in leaves_of_row(row)]
        node = levels_over(nodes + [bytes(32)] * (p - len(nodes)), b"\x01")[0][0]
        same(what, climb(node, o["row"], [bytes.fromhex(x) for x in o["path"]], b"\x01"), levels[0][0])
    for o in v["answers"]:
        levels = trace if o["tree"] == 255 else tensor_of(o["tree"]).tree()[0]
        what = f"{name}: answer of tree {o['tree']} at level {o['level']}"
        same(what, hexes(answer_of(levels, o["level"], o["index"])), o["nodes"])
        tag = b"\x02" if o["tree"] == 255 else b"\x01"
        above = levels_over([bytes.fromhex(x) for x in o["nodes"]], tag)[0][0]
        same(what, above, levels[o["level"]][o["index"]])


def refusal(action):
    try:
        action()
    except Refused as refused:
        return refused.name
    return None


def main():
    default = pathlib.Path(__file__).with_name("proof.json")
    document = json.loads(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else default).read_text())
    check_hashes(document["hashes"])
    check_tensors(document["tensors"])
    for v in document["graphs"]:
        check_graph(v)
    for v in document["refused"]:
        same(f"refusal {v['number']}", refusal(lambda: Graph(bytes.fromhex(v["graph"]))), v["error"])
    for v in document["batch_rows"]:
        graph = Graph(bytes.fromhex(v["graph"]))
        found = refusal(lambda: graph.check_batch_rows(v["batch_rows"]))
        same(f"{v['batch_rows']} batch rows", found, v["error"])
    print(f"golden vectors: {checks} checks, all equal")


if __name__ == "__main__":
    main()
