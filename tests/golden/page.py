#!/usr/bin/env python3
"""Runs the example of docs/TENSORS.md and compares what it prints with what the page says. `--write` writes it into the page."""

import contextlib
import io
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "clients/python"))
sys.dont_write_bytecode = True  # no cache folder in the checkout
PAGE = ROOT / "docs/TENSORS.md"
EXAMPLE = re.compile(r"<!-- example: begin -->\n```python\n(.*?)```\n\n```text\n(.*?)```\n<!-- example: end -->", re.DOTALL)


def main():
    text = PAGE.read_text()
    found = EXAMPLE.search(text)
    if found is None:
        raise SystemExit(f"{PAGE} has no example between its markers")
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(found[1], {})
    if "--write" in sys.argv:
        PAGE.write_text(text[: found.start(2)] + said.getvalue() + text[found.end(2) :])
    elif said.getvalue() != found[2]:
        raise SystemExit(f"the example of {PAGE} prints\n{said.getvalue()}run this with --write if that is meant")
    print("the example of docs/TENSORS.md: equal")


if __name__ == "__main__":
    main()
