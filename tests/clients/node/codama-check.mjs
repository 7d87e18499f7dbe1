// The client that Codama generated reads accounts and events: node codama-check.mjs FOLDER

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { resolve } from "node:path";

import { accounts, checkChanges, events, report } from "./golden.mjs";

const client = createRequire(import.meta.url)(resolve(process.argv[2]));
for (const { name, bytes } of accounts) {
  const codec = client[`get${name}Codec`]();
  assert.equal(codec.fixedSize, bytes, `size of ${name}`);
}
for (const { name, data } of events) {
  const [type] = name.split(",");
  checkChanges(name, client[`get${type}Decoder`]().decode(data).changes);
}
report("Codama with @solana/kit", { accounts: accounts.length, events: events.length });
