#!/usr/bin/env python3
"""Reproduces tests/golden/proof.json without the Rust code: graphs, the five ops, commitments, openings, files.

The package in clients/python computes; it is written from the design (every position of a tree is written out, every sum is a
Python integer) and needs the standard library only, but for its fast ops, which are compared where numpy is installed.
Usage: python3 check.py [proof.json] [--fast]. Ends with a count; exits 1 at the first difference.
"""

import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "clients/python"))

from quern import BATCH, Graph, Refused, Tensor, encode, read_bundle, read_trace, run, run_fast  # noqa: E402
from quern import trace_levels, write_bundle, write_trace  # noqa: E402
from quern.roots import DATA, TRACE, answer_of, climb, leaf_hash, leaves_of_row, levels_over, path_of, sha  # noqa: E402

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
            for tag, key in ((DATA, "data"), (TRACE, "trace")):
                node = bytes(32)
                for _ in range(v["height"]):
                    node = sha(tag, node, node)
                same(f"zero subtree {v['height']}", node.hex(), v[key])
        else:
            tag = {"data node": DATA, "trace node": TRACE}[v["what"]]
            node = sha(tag, bytes.fromhex(v["left"]), bytes.fromhex(v["right"]))
            same(v["what"], node.hex(), v["hash"])


def check_tensors(vectors):
    for v in vectors:
        raw = bytes.fromhex(v["file"])
        tensor = Tensor.from_file(raw)
        same("tensor file", tensor.to_file(), raw)
        for broken in (raw[:-1], raw + b"\0", b"X" + raw[1:], raw[:15]):
            same("a broken tensor file is refused", refusal(lambda: Tensor.from_file(broken)), "ValueError")
        levels, _ = tensor.tree()
        same("data root", levels[0][0].hex(), v["root"])
        same("height", len(levels) - 1, v["height"])
        same("all nodes", sha(*(node for level in levels for node in level)).hex(), v["all_nodes_hash"])


def check_graph(v, is_fast):
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
    same(f"{name}: weight roots", hexes(t.root() for t in weights), hexes(graph.roots))

    bundle = write_bundle(weights)
    same(f"{name}: bundle there and back", write_bundle(read_bundle(bundle)), bundle)
    same(f"{name}: graph there and back", encode(graph.inputs, weights, graph.ops).hex(), v["graph"])

    outputs = run(graph, inputs, weights)
    if is_fast:
        fast = run_fast(graph, inputs, weights)
        same(f"{name}: numpy's outputs", [t.to_file() for t in fast], [t.to_file() for t in outputs])
    same(f"{name}: outputs", len(outputs), len(v["outputs"]))
    for i, (found, expected) in enumerate(zip(outputs, v["outputs"])):
        same(f"{name}: output {i}", found.to_file().hex(), expected)
    roots = [t.root() for t in outputs]
    same(f"{name}: roots", hexes(roots), v["roots"])
    trace = trace_levels(roots)
    same(f"{name}: trace root", trace[0][0].hex(), v["trace_root"])
    trace_file = write_trace(outputs)
    same(f"{name}: trace file there and back", write_bundle(read_trace(trace_file)), write_bundle(outputs))
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
        same(what, climb(leaf_hash(data), position, path, DATA), levels[0][0])
        trace_path = path_of(trace, len(trace) - 1, o["tree"]) if o["tree"] < 64 else []
        same(what, hexes(trace_path), o["trace_path"])
        if o["tree"] < 64:
            same(what, climb(levels[0][0], o["tree"], trace_path, TRACE).hex(), v["trace_root"])
    for o in v["rows"]:
        what = f"{name}: row of tree {o['tree']}"
        tensor = tensor_of(o["tree"])
        levels, p = tensor.tree()
        row = tensor.row(o["row"])
        same(what, row.hex(), o["bytes"])
        level = len(levels) - 1 - (p.bit_length() - 1)
        same(what, hexes(path_of(levels, level, o["row"])), o["path"])
        nodes = [leaf_hash(x) for x in leaves_of_row(row)]
        node = levels_over(nodes + [bytes(32)] * (p - len(nodes)), DATA)[0][0]
        same(what, climb(node, o["row"], [bytes.fromhex(x) for x in o["path"]], DATA), levels[0][0])
    for o in v["answers"]:
        levels = trace if o["tree"] == 255 else tensor_of(o["tree"]).tree()[0]
        what = f"{name}: answer of tree {o['tree']} at level {o['level']}"
        same(what, hexes(answer_of(levels, o["level"], o["index"])), o["nodes"])
        tag = TRACE if o["tree"] == 255 else DATA
        above = levels_over([bytes.fromhex(x) for x in o["nodes"]], tag)[0][0]
        same(what, above, levels[o["level"]][o["index"]])


def refusal(action):
    try:
        action()
    except Refused as refused:
        return refused.name
    except ValueError:
        return "ValueError"
    return None


def main():
    is_fast = "--fast" in sys.argv
    files = [arg for arg in sys.argv[1:] if arg != "--fast"]
    file = files[0] if files else pathlib.Path(__file__).with_name("proof.json")
    document = json.loads(pathlib.Path(file).read_text())
    check_hashes(document["hashes"])
    check_tensors(document["tensors"])
    for v in document["graphs"]:
        check_graph(v, is_fast)
    for v in document["refused"]:
        same(f"refusal {v['number']}", refusal(lambda: Graph(bytes.fromhex(v["graph"]))), v["error"])
    for v in document["batch_rows"]:
        graph = Graph(bytes.fromhex(v["graph"]))
        found = refusal(lambda: graph.check_batch_rows(v["batch_rows"]))
        same(f"{v['batch_rows']} batch rows", found, v["error"])
    print(f"golden vectors: {checks} checks, all equal")


if __name__ == "__main__":
    main()
