#!/usr/bin/env python3
"""Reproduces tests/golden/commitments2.json without the Rust code: trees, item roots, files, evidence and answers of format 2.

Written from the design: every position of every tree is written out, and a piece of evidence is put together from what the
table of ops says a cell reads. What the ops compute is not looked at here. It needs the standard library only.
Usage: python3 check2.py [commitments2.json]. Ends with a count; exits 1 at the first difference.
"""

import hashlib
import json
import pathlib
import struct
import sys

LEAF, DATA, TRACE = b"\x00", b"\x01", b"\x02"
SIZE = {1: 1, 2: 4, 3: 2}
INPUTS, WEIGHTS, TRACE_TREE, NONE = 1024, 2048, 65535, 65534

checks = 0


def same(what, found, expected):
    global checks
    checks += 1
    if found != expected:
        print(f"DIFFERENT: {what}\n  computed {found}\n  in file  {expected}")
        sys.exit(1)


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def height_over(n):
    """Levels over n nodes."""
    return (n - 1).bit_length()


def levels_over(bottom, tag):
    """All levels of a tree whose bottom is written out, the root's first."""
    levels = [bottom]
    while len(levels[0]) > 1:
        below = levels[0]
        levels.insert(0, [sha(tag, below[i], below[i + 1]) for i in range(0, len(below), 2)])
    return levels


def path(levels, level, index, up_to=0):
    """Siblings bottom-up, of all levels below `up_to`."""
    siblings = []
    while level > up_to:
        siblings.append(levels[level][index ^ 1])
        level, index = level - 1, index >> 1
    return b"".join(siblings)


class Tensor:
    def __init__(self, raw):
        magic, version, self.dtype, reserved, self.rows, self.cols = struct.unpack("<4sBBHII", raw[:16])
        assert (magic, version, reserved) == (b"QTEN", 2, 0)
        self.data = raw[16:]
        self.row_bytes = self.cols * SIZE[self.dtype]
        assert len(self.data) == self.rows * self.row_bytes
        self.row_height, self.rows_height = height_over(-(-self.row_bytes // 128)), height_over(self.rows)
        self.height = self.row_height + self.rows_height
        bottom = []
        for row in range(1 << self.rows_height):
            for k in range(1 << self.row_height):
                leaf = self.leaf(row, k)
                bottom.append(sha(LEAF, leaf) if leaf else bytes(32))
        self.levels = levels_over(bottom, DATA)

    def leaf(self, row, k):
        """128 bytes, or nothing where there is no such leaf."""
        if row >= self.rows:
            return b""
        piece = self.data[row * self.row_bytes : (row + 1) * self.row_bytes][128 * k : 128 * k + 128]
        return piece.ljust(128, b"\0") if piece else b""

    def span(self, row, start, end):
        """Leaves, siblings inside the row, path to the data root."""
        size = SIZE[self.dtype]
        first, last = start * size // 128, (end * size - 1) // 128
        out = b"".join(self.leaf(row, k) for k in range(first, last + 1))
        for up in range(self.row_height):
            level = self.levels[self.height - up]
            base = row << (self.row_height - up)
            if first >> up & 1:
                out += level[base + (first >> up) - 1]
            if not last >> up & 1:
                out += level[base + (last >> up) + 1]
        return out + path(self.levels, self.rows_height, row)


def trace_of(raw):
    """The tensors of an item's trace file."""
    magic, version, reserved, ops = struct.unpack("<4sBBH", raw[:8])
    assert (magic, version, reserved) == (b"QTRC", 2, 0)
    tensors, at = [], 8
    for _ in range(ops):
        dtype, (rows, cols) = raw[at + 5], struct.unpack("<II", raw[at + 8 : at + 16])
        end = at + 16 + rows * cols * SIZE[dtype]
        tensors.append(Tensor(raw[at:end]))
        at = end
    assert at == len(raw)
    return tensors


class Job:
    def __init__(self, v):
        graph = bytes.fromhex(v["graph"])
        version, inputs, weights, ops, self.tokens, self.feedback = struct.unpack("<BBHHHH", graph[:10])
        assert version == 2 and graph[10:16] == bytes(6)
        at = 16
        self.scopes, self.input_rows, self.weight_roots = [], [], []
        for _ in range(inputs):
            _, scope, rows = struct.unpack("<BBxxI", graph[at : at + 8])
            self.scopes.append(scope)
            self.input_rows.append(rows)
            at += 12
        for _ in range(weights):
            self.weight_roots.append(graph[at + 12 : at + 44])
            at += 44
        assert len(graph) == at + 32 * ops
        self.ops, self.items = ops, v["items"]
        self.inputs = [Tensor(bytes.fromhex(x)) for x in v["inputs"]]
        self.weights = [Tensor(bytes.fromhex(x)) for x in v["weights"]]
        self.outputs = [trace_of(bytes.fromhex(item["trace_file"])) for item in v["trace"]]
        # Every position of the trace: item x 2^ceil(log2 ops) + op.
        self.ops_height, self.items_height = height_over(ops), height_over(self.items)
        bottom = [bytes(32)] * (1 << (self.ops_height + self.items_height))
        for item, outputs in enumerate(self.outputs):
            for op, tensor in enumerate(outputs):
                bottom[(item << self.ops_height) + op] = tensor.levels[0][0]
        self.trace = levels_over(bottom, TRACE)
        self.trace_height = self.ops_height + self.items_height

    def item_root(self, item):
        return self.trace[self.items_height][item]

    def begin_item(self, item):
        """Item root and its path, once, if there is more than one item."""
        return self.item_root(item) + path(self.trace, self.items_height, item) if self.items > 1 else b""

    def path_of_op(self, item, op):
        return path(self.trace, self.trace_height, (item << self.ops_height) + op, self.items_height)

    def read(self, code, item, row, start, end):
        if code < INPUTS:
            return self.outputs[item][code].span(row, start, end) + self.path_of_op(item, code)
        if code < WEIGHTS:
            index = code - INPUTS
            row += item * self.input_rows[index] if self.scopes[index] else 0
            return self.inputs[index].span(row, start, end)
        return self.weights[code - WEIGHTS].span(row, start, end)

    def evidence(self, charge, reads):
        if "op" in charge:
            op = charge["op"]
            item, row = divmod(charge["row"], self.outputs[0][op].rows)
            col = charge["col"]
            claimed = self.read(op, item, row, col, col + 1)
            return self.begin_item(item) + claimed + b"".join(self.read(c, item, r, s, e) for c, r, s, e in reads)
        if "item" in charge:
            item, op, tokens = charge["item"], self.feedback, self.inputs[self.tokens - INPUTS]
            level = tokens.rows_height
            computed = self.outputs[item][op].levels[0][0] + self.path_of_op(item, op)
            return self.begin_item(item) + computed + tokens.levels[level][item] + path(tokens.levels, level, item)
        code, level, index = charge["tree"], charge["level"], charge["index"]
        if code == TRACE_TREE:
            return self.trace[level][index] + path(self.trace, level, index)
        item, place = (index >> level, index & ((1 << level) - 1)) if code < INPUTS else (0, index)
        tensor = self.tree(code, item)
        # A present leaf is opened by its bytes, a missing node by its hash.
        node = tensor.levels[level][place]
        if level == tensor.height:
            row, k = place >> tensor.row_height, place & ((1 << tensor.row_height) - 1)
            node = tensor.leaf(row, k) or node
        out = node + path(tensor.levels, level, place)
        return self.begin_item(item) + out + self.path_of_op(item, code) if code < INPUTS else out

    def tree(self, code, item):
        if code < INPUTS:
            return self.outputs[item][code]
        return self.inputs[code - INPUTS] if code < WEIGHTS else self.weights[code - WEIGHTS]

    def answer(self, code, level, index):
        """The node, and what it was hashed from: up to four levels of nodes, or a leaf."""
        if code == TRACE_TREE:
            levels, place = self.trace, index
        else:
            item, place = (index >> level, index & ((1 << level) - 1)) if code < INPUTS else (0, index)
            tensor = self.tree(code, item)
            levels = tensor.levels
            if level == tensor.height:
                row, k = place >> tensor.row_height, place & ((1 << tensor.row_height) - 1)
                return levels[level][place], tensor.leaf(row, k)
        depth = min(4, len(levels) - 1 - level)
        return levels[level][place], b"".join(levels[level + depth][place << depth : (place + 1) << depth])


def check_job(v):
    name = v["name"]
    job = Job(v)
    same(f"{name}: input roots", [t.levels[0][0].hex() for t in job.inputs], v["input_roots"])
    same(f"{name}: weight roots", [t.levels[0][0] for t in job.weights], job.weight_roots)
    for item, expected in enumerate(v["trace"]):
        same(f"{name}: item {item}", job.item_root(item).hex(), expected["item_root"])
    same(f"{name}: trace root", job.trace[0][0].hex(), v["trace_root"])
    roots = b"".join(job.item_root(i) + job.path_of_op(i, job.ops - 1) for i in range(job.items))
    same(f"{name}: roots file", sha(roots).hex(), v["roots_file_hash"])
    result = b"".join(outputs[-1].data for outputs in job.outputs)
    same(f"{name}: result file", sha(result).hex(), v["result_file_hash"])
    for c in v["charges"]:
        evidence = job.evidence(c["charge"], c["reads"])
        same(f"{name}: length of {c['charge']}", len(evidence), c["bytes"])
        same(f"{name}: evidence of {c['charge']}", sha(evidence).hex(), c["evidence_hash"])
    for a in v["answers"]:
        node, answer = job.answer(a["tree"], a["level"], a["index"])
        what = f"{name}: tree {a['tree']}, level {a['level']}, index {a['index']}"
        same(what, node.hex(), a["node"])
        same(what, sha(answer).hex(), a["answer_hash"])


def main():
    file = sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).with_name("commitments2.json")
    document = json.loads(pathlib.Path(file).read_text())
    for v in document["zero_subtrees"]:
        for tag, key in ((DATA, "data"), (TRACE, "trace")):
            node = bytes(32)
            for _ in range(v["height"]):
                node = sha(tag, node, node)
            same(f"zero subtree {v['height']}", node.hex(), v[key])
    for v in document["jobs"]:
        check_job(v)
    print(f"golden commitments of format 2: {checks} checks, all equal")


if __name__ == "__main__":
    main()
