"""Quern's tensors, roots, graphs and ops, in Python: what a client computes without a network and without Rust.

Only `Tensor.array`, `Tensor.from_array` and `run_fast` need numpy.
"""

from .graph import (
    ARGMAX,
    CAUSAL,
    DOT,
    FEEDBACK,
    FIXED,
    GATHER,
    INPUT,
    ITEM,
    LUT,
    MIX,
    NONE,
    NORM,
    PAIR,
    RMS,
    SIDE,
    SOFTMAX,
    WEIGHT,
    Graph,
    Op,
    Refused,
    T,
    encode,
)
from .ops import run, run_fast
from .published import check, result_file, roots_file
from .roots import item_roots, trace_levels
from .tensor import INT8, INT16, INT32, Tensor, read_bundle, read_trace, write_bundle, write_trace

__all__ = [
    "ARGMAX",
    "CAUSAL",
    "DOT",
    "FEEDBACK",
    "FIXED",
    "GATHER",
    "INPUT",
    "INT16",
    "INT32",
    "INT8",
    "ITEM",
    "LUT",
    "MIX",
    "NONE",
    "NORM",
    "PAIR",
    "RMS",
    "SIDE",
    "SOFTMAX",
    "T",
    "WEIGHT",
    "Graph",
    "Op",
    "Refused",
    "Tensor",
    "check",
    "encode",
    "item_roots",
    "read_bundle",
    "read_trace",
    "result_file",
    "roots_file",
    "run",
    "run_fast",
    "trace_levels",
    "write_bundle",
    "write_trace",
]
