// Uses the gateway through OpenAI's own library for JavaScript, as an application does: two variables and nothing else.
//
//     OPENAI_BASE_URL=… OPENAI_API_KEY=… node check.mjs MODEL ROWS

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import OpenAI, { toFile } from "openai";

const [model, rows] = [process.argv[2], Number(process.argv[3])];
const PATIENCE_MS = 900_000;
const client = new OpenAI({ maxRetries: 0, timeout: 120_000 });

const single = (vector) => Array.from(new Float32Array(vector));
const embed = async (input, more = {}) => (await client.embeddings.create({ model, input, ...more })).data.map((one) => single(one.embedding));

async function spent() {
  const url = process.env.OPENAI_BASE_URL.replace(/\/v1$/, "/quern/v1/spending?limit=10000");
  const reply = await fetch(url, { headers: { authorization: `Bearer ${process.env.OPENAI_API_KEY}` } });
  assert.equal(reply.status, 200);
  return (await reply.json()).data;
}

async function embeddings() {
  const listed = [];
  for await (const one of client.models.list()) listed.push(one.id);
  assert.deepEqual(listed, [model]);
  const { data, response } = await client.embeddings.create({ model, input: "w5 w9" }).withResponse();
  assert.equal(response.headers.get("quern-assurance"), "refereed");
  assert.ok(response.headers.get("quern-job"));
  const vector = single(data.data[0].embedding);
  assert.ok(Math.abs(Math.hypot(...vector) - 1) < 1e-5);
  assert.deepEqual(await embed(["w5 w9", "w7"], { encoding_format: "float" }).then((all) => all[0]), vector);
  assert.deepEqual(await embed([1, 5, 9, 2]), [vector]);
  return vector;
}

async function errors() {
  const refused = (ask, kind, words) =>
    assert.rejects(ask, (error) => error instanceof kind && error.message.includes(words) && error.requestID.startsWith("req_"));
  await refused(embed("w5", { model: "gpt-4" }), OpenAI.NotFoundError, "gpt-4");
  await refused(embed(["w5", "w5 ".repeat(20)]), OpenAI.BadRequestError, "input[1]");
  await refused(embed("w5", { dimensions: 3 }), OpenAI.BadRequestError, "dimensions");
  const messages = [{ role: "user", content: "Hello" }];
  await refused(client.chat.completions.create({ model, messages }), OpenAI.NotFoundError, "refereed");
  const stranger = client.withOptions({ apiKey: "wrong" });
  await refused(stranger.models.retrieve(model), OpenAI.AuthenticationError, "API key");
}

/** An answer takes longer than the client waits: it asks again, and is answered once, paid once. */
async function retries(vector) {
  const before = (await spent()).length;
  const hasty = client.withOptions({ timeout: 200, maxRetries: 30 });
  const found = await hasty.embeddings.create({ model, input: "w5 w9" });
  assert.deepEqual(single(found.data[0].embedding), vector);
  assert.equal((await spent()).length, before + 1);
}

async function batch() {
  const line = (name, input) => JSON.stringify({ custom_id: name, method: "POST", url: "/v1/embeddings", body: { model, input } });
  const lines = Array.from({ length: rows }, (_, number) => line(`request-${number}`, `w${4 + (number % 116)}`));
  lines.splice(2, 0, "this is no request");
  const file = await client.files.create({ file: await toFile(Buffer.from(lines.join("\n")), "requests.jsonl"), purpose: "batch" });
  let made = await client.batches.create({ input_file_id: file.id, endpoint: "/v1/embeddings", completion_window: "24h" });
  const began = Date.now();
  while (["validating", "in_progress", "finalizing"].includes(made.status)) {
    assert.ok(Date.now() - began < PATIENCE_MS, made.status);
    await sleep(200);
    made = await client.batches.retrieve(made.id);
  }
  assert.equal(made.status, "completed");
  assert.deepEqual(made.request_counts, { total: rows + 1, completed: rows, failed: 1 });
  const text = await (await client.files.content(made.output_file_id)).text();
  const answers = text.trim().split("\n").map((answer) => JSON.parse(answer));
  assert.deepEqual(answers.map((answer) => answer.custom_id), Array.from({ length: rows }, (_, number) => `request-${number}`));
  const [direct] = await embed(`w${4 + ((rows - 1) % 116)}`);
  assert.deepEqual(single(answers[rows - 1].response.body.data[0].embedding), direct);
  const bad = JSON.parse(await (await client.files.content(made.error_file_id)).text());
  assert.equal(bad.error.code, "invalid_json_line");
  const seen = [];
  for await (const one of client.batches.list({ limit: 1 })) seen.push(one.id);
  assert.ok(seen.includes(made.id));
  for (const id of [file.id, made.output_file_id, made.error_file_id]) assert.ok((await client.files.delete(id)).deleted);
}

const vector = await embeddings();
await errors();
await retries(vector);
await batch();
console.log("openai of JavaScript works with the gateway");
