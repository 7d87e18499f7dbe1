#!/usr/bin/env python3
"""Reproduces tests/golden/proof.json without the Rust code: trees, item roots, files, evidence and answers.

The package in clients/python computes; it is written from the design, and every position of every tree is written out. A piece
of evidence is put together here, from what the table of ops says a cell reads. What the ops compute is cells.py's matter, but
for `--fast`, with which numpy computes all results again.
Usage: python3 check.py [proof.json] [--fast]. Ends with a count; exits 1 at the first difference.
"""

import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "clients/python"))
sys.dont_write_bytecode = True  # no cache folder in the checkout

from quern import INPUT, ITEM, WEIGHT, Graph, Tensor, check, item_roots, read_bundle, read_trace  # noqa: E402
from quern import result_file, roots_file, run, run_fast, trace_levels, write_bundle, write_trace  # noqa: E402
from quern.roots import DATA, TRACE, answer_of, height_over, leaves_of_row, path_of, sha  # noqa: E402
from quern.tensor import SIZE  # noqa: E402

TRACE_TREE = 65535

checks = 0


def same(what, found, expected):
    global checks
    checks += 1
    if found != expected:
        print(f"DIFFERENT: {what}\n  computed {found}\n  in file  {expected}")
        sys.exit(1)


def path(levels, level, index, up_to=0):
    return b"".join(path_of(levels, level, index, up_to))


class Tree:
    """A tensor with all levels of its tree."""

    def __init__(self, tensor):
        self.tensor, self.dtype, self.rows, self.cols = tensor, tensor.dtype, tensor.rows, tensor.cols
        self.levels, positions = tensor.tree()
        self.row_height, self.rows_height = height_over(positions), height_over(tensor.rows)
        self.height = self.row_height + self.rows_height

    def leaf(self, row, k):
        """128 bytes, or nothing where there is no such leaf."""
        leaves = leaves_of_row(self.tensor.row(row)) if row < self.rows else []
        return leaves[k] if k < len(leaves) else b""

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


class Job:
    def __init__(self, v):
        graph = Graph(bytes.fromhex(v["graph"]))
        self.graph, self.ops, self.items = graph, len(graph.ops), v["items"]
        self.tokens, self.feedback = graph.tokens, graph.feedback
        self.inputs = [Tree(Tensor.from_file(bytes.fromhex(x))) for x in v["inputs"]]
        self.weights = [Tree(Tensor.from_file(bytes.fromhex(x))) for x in v["weights"]]
        self.outputs = [[Tree(x) for x in read_trace(bytes.fromhex(item["trace_file"]))] for item in v["trace"]]
        # Every position of the trace: item x 2^ceil(log2 ops) + op.
        self.roots = [[tree.levels[0][0] for tree in item] for item in self.outputs]
        self.trace = trace_levels(self.roots)
        self.ops_height, self.items_height = height_over(self.ops), height_over(self.items)
        self.trace_height = self.ops_height + self.items_height

    def item_root(self, item):
        return self.trace[self.items_height][item]

    def begin_item(self, item):
        """Item root and its path, once, if there is more than one item."""
        return self.item_root(item) + path(self.trace, self.items_height, item) if self.items > 1 else b""

    def path_of_op(self, item, op):
        return path(self.trace, self.trace_height, (item << self.ops_height) + op, self.items_height)

    def read(self, code, item, row, start, end):
        if code < INPUT:
            return self.outputs[item][code].span(row, start, end) + self.path_of_op(item, code)
        if code < WEIGHT:
            _, scope, rows, _ = self.graph.inputs[code - INPUT]
            row += item * rows if scope == ITEM else 0
        return self.tree(code, item).span(row, start, end)

    def evidence(self, charge, reads):
        if "op" in charge:
            op = charge["op"]
            item, row = divmod(charge["row"], self.outputs[0][op].rows)
            col = charge["col"]
            claimed = self.read(op, item, row, col, col + 1)
            return self.begin_item(item) + claimed + b"".join(self.read(c, item, r, s, e) for c, r, s, e in reads)
        if "item" in charge:
            item, op, tokens = charge["item"], self.feedback, self.inputs[self.tokens - INPUT]
            level = tokens.rows_height
            computed = self.outputs[item][op].levels[0][0] + self.path_of_op(item, op)
            return self.begin_item(item) + computed + tokens.levels[level][item] + path(tokens.levels, level, item)
        code, level, index = charge["tree"], charge["level"], charge["index"]
        if code == TRACE_TREE:
            return self.trace[level][index] + path(self.trace, level, index)
        item, place = (index >> level, index & ((1 << level) - 1)) if code < INPUT else (0, index)
        tensor = self.tree(code, item)
        # A present leaf is opened by its bytes, a missing node by its hash.
        node = tensor.levels[level][place]
        if level == tensor.height:
            row, k = place >> tensor.row_height, place & ((1 << tensor.row_height) - 1)
            node = tensor.leaf(row, k) or node
        out = node + path(tensor.levels, level, place)
        return self.begin_item(item) + out + self.path_of_op(item, code) if code < INPUT else out

    def tree(self, code, item):
        if code < INPUT:
            return self.outputs[item][code]
        return self.inputs[code - INPUT] if code < WEIGHT else self.weights[code - WEIGHT]

    def answer(self, code, level, index):
        """The node, and what it was hashed from: up to four levels of nodes, or a leaf."""
        if code == TRACE_TREE:
            return self.trace[level][index], b"".join(answer_of(self.trace, level, index))
        item, place = (index >> level, index & ((1 << level) - 1)) if code < INPUT else (0, index)
        tensor = self.tree(code, item)
        node = tensor.levels[level][place]
        if level == tensor.height:
            row, k = place >> tensor.row_height, place & ((1 << tensor.row_height) - 1)
            return node, tensor.leaf(row, k)
        return node, b"".join(answer_of(tensor.levels, level, place))


def refusal(action):
    """The first words of what is wrong, if anything is."""
    try:
        action()
    except ValueError as error:
        return str(error).split(":")[0]
    return None


def check_published(name, job, trace_root):
    """Result and roots lead to the trace root; changed ones do not, and say what is wrong."""
    roots, result = roots_file(job.roots), result_file([[tree.tensor for tree in item] for item in job.outputs])

    def checked(result, roots, root=trace_root):
        return check(job.graph, job.items, root, result, roots)

    same(f"{name}: published", checked(result, roots).data, result)
    last = bytes([result[-1] ^ 1])
    off = "the item roots do not lead to the trace root"
    same(f"{name}: another result", refusal(lambda: checked(result[:-1] + last, roots)).split(" does")[0],
         f"the result of item {job.items - 1}")
    same(f"{name}: another item root", refusal(lambda: checked(result, bytes([roots[0] ^ 1]) + roots[1:])), off)
    same(f"{name}: another trace root", refusal(lambda: checked(result, roots, bytes(32))), off)
    for broken in ((result[:-1], roots), (result + b"\0", roots), (result, roots[:-1])):
        same(f"{name}: another length", " file has " in refusal(lambda: checked(*broken)), True)
    return roots, result


def check_files(name, v, job):
    """Files there and back."""
    for raw in [bytes.fromhex(x) for x in v["inputs"]]:
        same(f"{name}: tensor file", Tensor.from_file(raw).to_file(), raw)
        for broken in (raw[:-1], raw + b"\0", b"X" + raw[1:], raw[:4] + b"\1" + raw[5:], raw[:15]):
            same(f"{name}: a broken tensor file is refused", refusal(lambda: Tensor.from_file(broken)) is None, False)
    bundle = write_bundle([tree.tensor for tree in job.weights])
    same(f"{name}: bundle", write_bundle(read_bundle(bundle)), bundle)
    for item, outputs in zip(v["trace"], job.outputs):
        raw = bytes.fromhex(item["trace_file"])
        same(f"{name}: trace file", write_trace([tree.tensor for tree in outputs]), raw)
        for broken in (raw[:-1], raw[:4] + b"\1" + raw[5:], raw[:6] + b"\0\0" + raw[8:], raw[:7]):
            same(f"{name}: a broken trace file is refused", refusal(lambda: read_trace(broken)) is None, False)


def check_results(name, job, is_fast):
    inputs, weights = [tree.tensor for tree in job.inputs], [tree.tensor for tree in job.weights]
    expected = [[tree.tensor.to_file() for tree in item] for item in job.outputs]
    for how in [run, run_fast] if is_fast else [run]:
        found = how(job.graph, inputs, weights, job.items)
        same(f"{name}: {how.__name__}", [[tensor.to_file() for tensor in item] for item in found], expected)


def check_job(v, is_fast):
    name = v["name"]
    job = Job(v)
    trace_root = bytes.fromhex(v["trace_root"])
    same(f"{name}: input roots", [t.levels[0][0].hex() for t in job.inputs], v["input_roots"])
    same(f"{name}: weight roots", [t.levels[0][0] for t in job.weights], job.graph.roots)
    same(f"{name}: item roots", [x.hex() for x in item_roots(job.roots)], [x["item_root"] for x in v["trace"]])
    same(f"{name}: trace root", job.trace[0][0], trace_root)
    roots, result = check_published(name, job, trace_root)
    same(f"{name}: roots file", sha(roots).hex(), v["roots_file_hash"])
    same(f"{name}: result file", sha(result).hex(), v["result_file_hash"])
    check_files(name, v, job)
    check_results(name, job, is_fast)
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
    is_fast = "--fast" in sys.argv
    files = [arg for arg in sys.argv[1:] if arg != "--fast"]
    file = files[0] if files else pathlib.Path(__file__).with_name("proof.json")
    document = json.loads(pathlib.Path(file).read_text())
    for v in document["zero_subtrees"]:
        for tag, key in ((DATA, "data"), (TRACE, "trace")):
            node = bytes(32)
            for _ in range(v["height"]):
                node = sha(tag, node, node)
            same(f"zero subtree {v['height']}", node.hex(), v[key])
    for v in document["jobs"]:
        check_job(v, is_fast)
    print(f"golden commitments: {checks} checks, all equal")


if __name__ == "__main__":
    main()
