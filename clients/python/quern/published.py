"""What is published of a refereed answer, and the check that a client makes before it believes it.

A result file alone proves nothing. The roots file leads each item's result to its item root, and all item roots lead to the
trace root on chain.
"""

from .roots import TRACE, climb, height_over, item_roots, levels_over, path_of, power_of_two, trace_levels
from .tensor import SIZE, Tensor


def roots_file(roots):
    """The roots file of an answer with these data roots, `roots[item][op]`.

    For each item 32 bytes item root, then the siblings from the last op's data root up to it.
    """
    levels, upper = trace_levels(roots), height_over(len(roots))
    ops_height = height_over(len(roots[0]))
    out = b""
    for item, root in enumerate(item_roots(roots)):
        last = (item << ops_height) + len(roots[0]) - 1
        out += root + b"".join(path_of(levels, len(levels) - 1, last, upper))
    return out


def result_file(outputs):
    """The result file of an answer, `outputs[item][op]`: the rows of the last op, item by item."""
    return b"".join(item[-1].data for item in outputs)


def check(graph, items, trace_root, result, roots):
    """The result as a tensor over all items, if both files lead to the trace root on chain; else a ValueError says why not."""
    graph.check_items(items)
    op, ops_height = graph.ops[-1], height_over(len(graph.ops))
    of_item = op.rows * op.cols * SIZE[op.dtype]
    record = 32 * (1 + ops_height)
    for what, raw, length in (("result", result, items * of_item), ("roots", roots, items * record)):
        if len(raw) != length:
            raise ValueError(f"the {what} file has {len(raw)} bytes; this graph and {items} items make {length}")
    whole = Tensor(op.dtype, items * op.rows, op.cols, result)
    records = [roots[at : at + record] for at in range(0, len(roots), record)]
    above = [raw[:32] for raw in records]
    # An item that is missing is a subtree of ops that are missing.
    missing = levels_over([bytes(32)] * (1 << ops_height), TRACE)[0][0]
    above += [missing] * (power_of_two(items) - items)
    if levels_over(above, TRACE)[0][0] != trace_root:
        raise ValueError("the item roots do not lead to the trace root: fetch the roots file of this submission")
    for item, raw in enumerate(records):
        siblings = [raw[at : at + 32] for at in range(32, record, 32)]
        if climb(whole.item(item, op.rows).root(), len(graph.ops) - 1, siblings, TRACE) != raw[:32]:
            raise ValueError(f"the result of item {item} does not lead to its item root: it is not what was committed to")
    return whole
