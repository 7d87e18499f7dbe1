// What the golden file says that every client must find: sizes of accounts, and an event of every kind.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

export const idlText = readFileSync("idl/quern.json", "utf8");
const golden = JSON.parse(readFileSync("tests/golden/program.json", "utf8"));

/** Names and sizes of the accounts, the discriminator included. */
export const accounts = Object.entries(golden.accounts).map(([name, { bytes }]) => ({ name, bytes }));

/** Names and bytes of an event of every kind. */
export const events = Object.entries(golden.events).map(([name, { sample }]) => ({
  name,
  data: Buffer.from(sample, "hex"),
}));

/** Every sample ends with the same changes, so a client that reads them right has read all before them right. */
export function checkChanges(name, changes) {
  const found = changes.map(({ kind, after }) => [kind, Buffer.from(after).toString("hex")]);
  assert.deepEqual(
    found,
    [
      [5, "010203"],
      [7, ""],
    ],
    `${name}: the changes are others`,
  );
}

/** Says how much was checked. Fails where nothing was. */
export function report(client, counts) {
  for (const [what, count] of Object.entries(counts)) assert.ok(count > 0, `${client}: no ${what}`);
  console.log(
    `${client}: ${Object.entries(counts)
      .map(([what, count]) => `${count} ${what}`)
      .join(", ")}`,
  );
}
