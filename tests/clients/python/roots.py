"""The example's roots of tensors are those of the golden file."""

import json
import struct
import sys
from pathlib import Path

sys.path.insert(0, "examples/python")
from quern import data_root  # noqa: E402

tensors = json.loads(Path("tests/golden/proof.json").read_text())["tensors"]
for tensor in tensors:
    raw = bytes.fromhex(tensor["file"])
    dtype, rows, cols = raw[5], *struct.unpack_from("<II", raw, 8)
    if data_root(raw[16:], rows, cols * (1 if dtype == 1 else 4)).hex() != tensor["root"]:
        raise SystemExit(f"another root of a tensor of {rows} x {cols}")
if not tensors:
    raise SystemExit("the golden file has no tensors")
print(f"roots in Python: {len(tensors)} tensors")
