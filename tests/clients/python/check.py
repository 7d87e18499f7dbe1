"""anchorpy3 takes the committed IDL as it is: sizes of accounts, and an event of every kind."""

import json
from pathlib import Path

from anchorpy import Coder, Idl

golden = json.loads(Path("tests/golden/program.json").read_text())
described = json.loads(Path("idl/quern.json").read_text())
coder = Coder(Idl.from_json(json.dumps(described)))

for name, account in golden["accounts"].items():
    discriminator = next(bytes(known["discriminator"]) for known in described["accounts"] if known["name"] == name)
    # Ones are valid in every field, a bool included; one byte less is refused.
    data = discriminator + b"\1" * (account["bytes"] - 8)
    coder.accounts.parse(data)
    try:
        coder.accounts.parse(data[:-1])
    except Exception:  # construct has many kinds.
        continue
    raise SystemExit(f"{name} is read out of {account['bytes'] - 1} bytes")

for name, event in golden["events"].items():
    decoded = coder.events.parse(bytes.fromhex(event["sample"]))
    # Every sample ends with the same changes, so a client that reads them right has read all before them right.
    changes = [(change.kind, bytes(change.after).hex()) for change in decoded.data.changes]
    if decoded.name != name.split(",")[0] or changes != [(5, "010203"), (7, "")]:
        raise SystemExit(f"{name} is decoded as {decoded}")

print(f"anchorpy3: {len(golden['accounts'])} accounts, {len(golden['events'])} events")
