"""Commitments: trees of SHA-256 over tensors and over the results of a graph in all items, and what opens them."""

import hashlib

# What stands before a hash's input: a leaf, a node of a tensor's tree, a node of a trace's tree.
LEAF, DATA, TRACE = b"\x00", b"\x01", b"\x02"
LEAF_BYTES = 128
# Levels that one answer of a demand goes down.
ANSWER_LEVELS = 4


def sha(*parts):
    """SHA-256 of the parts, one after the other."""
    return hashlib.sha256(b"".join(parts)).digest()


def leaf_hash(data):
    if len(data) != LEAF_BYTES:
        raise ValueError(f"a leaf has {LEAF_BYTES} bytes, this one has {len(data)}")
    return sha(LEAF, data)


def levels_over(nodes, tag):
    """All levels of the tree over a power of two of nodes, the root's first."""
    levels = [nodes]
    while len(levels[0]) > 1:
        below = levels[0]
        levels.insert(0, [sha(tag, below[i], below[i + 1]) for i in range(0, len(below), 2)])
    return levels


def power_of_two(n):
    """The least power of two that is at least n."""
    return 1 << (n - 1).bit_length()


def leaves_of_row(row):
    """A row's bytes in leaves, the last one filled with zeros."""
    return [row[i : i + LEAF_BYTES].ljust(LEAF_BYTES, b"\x00") for i in range(0, len(row), LEAF_BYTES)]


def path_of(levels, level, index, up_to=0):
    """Siblings bottom-up, of all levels below `up_to`."""
    path = []
    while level > up_to:
        path.append(levels[level][index ^ 1])
        level, index = level - 1, index >> 1
    return path


def climb(node, index, path, tag):
    """The root above a node, with the siblings of its path."""
    for sibling in path:
        node = sha(tag, sibling, node) if index & 1 else sha(tag, node, sibling)
        index >>= 1
    return node


def answer_of(levels, level, index):
    """What answers a demand: the nodes at most four levels below, left to right."""
    height = len(levels) - 1
    depth = min(ANSWER_LEVELS, height - level)
    return levels[level + depth][index << depth : (index + 1) << depth]


def height_over(n):
    """Levels above n nodes."""
    return (n - 1).bit_length()


def trace_levels(roots):
    """All levels of a result's tree over data roots: `roots[item][op]`. The first level holds the trace root.

    The items are its upper levels, an item's ops the lower ones; a missing item or op is 32 zero bytes.
    """
    places = power_of_two(len(roots[0]))
    bottom = [root for item in roots for root in item + [bytes(32)] * (places - len(item))]
    missing = power_of_two(len(roots)) - len(roots)
    return levels_over(bottom + [bytes(32)] * (missing * places), TRACE)


def item_roots(roots):
    """The node above the ops of each item."""
    return trace_levels(roots)[height_over(len(roots))][: len(roots)]
