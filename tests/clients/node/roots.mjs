// The example's roots of tensors are those of the golden file.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

import { dataRoot } from "../../../examples/ts/build/examples/ts/quern.js";

const { tensors } = JSON.parse(readFileSync("tests/golden/proof.json", "utf8"));
for (const { file, root } of tensors) {
  const bytes = Buffer.from(file, "hex");
  const [rows, cols] = [bytes.readUInt32LE(8), bytes.readUInt32LE(12)];
  const rowBytes = cols * (bytes[5] === 1 ? 1 : 4);
  assert.equal(dataRoot(bytes.subarray(16), rows, rowBytes).toString("hex"), root, `${rows} x ${cols}`);
}
assert.ok(tensors.length > 0);
console.log(`roots in TypeScript: ${tensors.length} tensors`);
