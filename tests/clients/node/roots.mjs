// The example's roots of tensors are those of the golden file, and its check of a published result takes those and no others.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

import { dataRoot, isPublished } from "../../../examples/ts/build/examples/ts/quern.js";

const SIZE = { 1: 1, 2: 4, 3: 2 };
const sha256 = (...parts) => createHash("sha256").update(Buffer.concat(parts)).digest();

/** The tensor that begins at a byte of a file, and where the next one begins. */
function tensorAt(file, at) {
  const [rows, cols] = [file.readUInt32LE(at + 8), file.readUInt32LE(at + 12)];
  const rowBytes = cols * SIZE[file[at + 5]];
  const end = at + 16 + rows * rowBytes;
  return { rows, rowBytes, data: file.subarray(at + 16, end), end };
}

const rootOf = ({ data, rows, rowBytes }) => dataRoot(data, rows, rowBytes);

/** The results of all ops in an item. */
function traceOf(file) {
  const tensors = [];
  for (let at = 8; at < file.length; at = tensors.at(-1).end) tensors.push(tensorAt(file, at));
  return tensors;
}

/** What leads from the last op to its item root: the siblings, bottom-up. */
function pathOf(tensors) {
  let nodes = tensors.map(rootOf);
  const siblings = [];
  for (let place = tensors.length - 1; nodes.length > 1; place >>= 1) {
    if (siblings.length === 0) while (nodes.length & (nodes.length - 1)) nodes.push(Buffer.alloc(32));
    siblings.push(nodes[place ^ 1]);
    nodes = nodes.filter((_, at) => at % 2 === 0).map((node, at) => sha256(Buffer.of(2), node, nodes[2 * at + 1]));
  }
  return siblings;
}

const { jobs } = JSON.parse(readFileSync("tests/golden/proof.json", "utf8"));
let count = 0;
for (const job of jobs) {
  for (const [at, file] of job.inputs.entries()) {
    const tensor = tensorAt(Buffer.from(file, "hex"), 0);
    assert.equal(rootOf(tensor).toString("hex"), job.input_roots[at], `${job.name}: input ${at}`);
    count += 1;
  }
  const traces = job.trace.map((item) => traceOf(Buffer.from(item.trace_file, "hex")));
  const result = Buffer.concat(traces.map((tensors) => tensors.at(-1).data));
  const roots = Buffer.concat(
    traces.flatMap((tensors, at) => [Buffer.from(job.trace[at].item_root, "hex"), ...pathOf(tensors)]),
  );
  assert.equal(sha256(result).toString("hex"), job.result_file_hash, job.name);
  assert.equal(sha256(roots).toString("hex"), job.roots_file_hash, job.name);

  const [{ rows, rowBytes }] = traces[0].slice(-1);
  const shape = { items: job.items, ops: traces[0].length, rows, rowBytes };
  const traceRoot = Buffer.from(job.trace_root, "hex");
  assert.ok(isPublished(traceRoot, result, roots, shape), `${job.name}: the result is refused`);
  const changed = (bytes, at) => Buffer.from(bytes.map((byte, place) => (place === at ? byte ^ 1 : byte)));
  for (const refused of [
    [traceRoot, changed(result, result.length - 1), roots],
    [traceRoot, result, changed(roots, 0)],
    [traceRoot, result, changed(roots, roots.length - 1)],
    [changed(traceRoot, 0), result, roots],
    [traceRoot, result.subarray(1), roots],
    [traceRoot, result, Buffer.concat([roots, roots])],
  ]) {
    assert.ok(!isPublished(...refused, shape), `${job.name}: another result is believed`);
  }
}
assert.ok(count > 0 && jobs.some(({ items }) => items > 1));
console.log(`roots in TypeScript: ${count} tensors, ${jobs.length} results`);
