"""Quern's tensors, roots, graphs and ops, in Python: what a client computes without a network and without Rust.

Only `Tensor.array`, `Tensor.from_array` and `run_fast` need numpy.
"""

from .graph import BATCH, Graph, Refused, encode
from .ops import run, run_fast
from .roots import trace_levels
from .tensor import INT8, INT32, Tensor, read_bundle, read_trace, write_bundle, write_trace

__all__ = [
    "BATCH",
    "INT8",
    "INT32",
    "Graph",
    "Refused",
    "Tensor",
    "encode",
    "read_bundle",
    "read_trace",
    "run",
    "run_fast",
    "trace_levels",
    "write_bundle",
    "write_trace",
]
