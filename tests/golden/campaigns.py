#!/usr/bin/env python3
"""Counts 200,000 campaigns without the Rust code and compares them with campaigns.json.

Written from docs/INCENTIVES.md; crates/rules/tests/campaigns.rs draws the same numbers.
Usage: python3 campaigns.py. Exits 1 at a difference.
"""

import hashlib
import json
import pathlib
import struct
import sys

MASK = 2**64 - 1
state = 13


def bits():
    """SplitMix64."""
    global state
    state = (state + 0x9E3779B97F4A7C15) & MASK
    z = state
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def amount():
    b = bits()
    return [b >> 44, b >> 20, b, MASK - (b >> 56)][b % 4]


def case():
    pot, weight = amount(), bits() % 10_000
    start = bits() % 1_000
    end = start + 1 + bits() % 1_000
    settle_by = end + 1 + bits() % 1_000
    scores, total, told = [0, 0, 0], 0, []
    for _ in range(1 + bits() % 6):
        provider, fee = bits() % 3, amount()
        submitted_at = bits() % 2_500
        now = submitted_at + bits() % 1_500
        score = 0
        if start <= submitted_at < end and now <= settle_by:
            score = min(fee * weight // 10_000, MASK - total)
        scores[provider] += score
        total += score
        told.append(score)
    amounts = [s if total <= pot else pot * s // total for s in scores]
    assert sum(amounts) <= pot or total <= pot
    review, depth, response, react = bits() >> 32, bits() % 25, bits() >> 32, bits() >> 32
    return told + scores + amounts + [total, review + depth * (response + react)]


def main():
    golden = json.loads(pathlib.Path(__file__).with_name("campaigns.json").read_text())
    all_of_them = hashlib.sha256()
    for n in range(golden["cases"]):
        told = case()
        if n < len(golden["first"]) and [str(number) for number in told] != golden["first"][n]:
            sys.exit(f"DIFFERENT: campaign {n}\n  computed {told}\n  in file  {golden['first'][n]}")
        all_of_them.update(struct.pack(f"<{len(told)}Q", *told))
    if all_of_them.hexdigest() != golden["sha256"]:
        sys.exit("DIFFERENT: one of the campaigns behind the first ones")
    print(f"campaigns: {golden['cases']} equal")


main()
