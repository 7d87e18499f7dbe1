// Anchor's TypeScript library, under both of its names, takes the committed IDL as it is: node anchor.mjs PACKAGE

import assert from "node:assert/strict";

import { accounts, checkChanges, events, idlText, report } from "./golden.mjs";

const name = process.argv[2];
const anchor = (await import(name)).default;
const { Connection, Keypair, PublicKey } = anchor.web3;

const idl = JSON.parse(idlText);
// Nobody listens there: everything in here works without a network.
const connection = new Connection("http://127.0.0.1:1");
const provider = new anchor.AnchorProvider(connection, new anchor.Wallet(Keypair.generate()), {});
const program = new anchor.Program(idl, provider);
const lower = (text) => text[0].toLowerCase() + text.slice(1);

for (const { name, bytes } of accounts) {
  assert.equal(program.account[lower(name)].size, bytes, `size of ${name}`);
  const { discriminator } = idl.accounts.find((known) => known.name === name);
  // Ones are valid in every field, a bool included.
  const data = Buffer.concat([Buffer.from(discriminator), Buffer.alloc(bytes - 8, 1)]);
  const decoded = program.coder.accounts.decode(lower(name), data);
  assert.deepEqual(await program.coder.accounts.encode(lower(name), decoded), data, `${name} there and back`);
}
for (const { name, data } of events) {
  const event = program.coder.events.decode(data.toString("base64"));
  assert.equal(event.name, lower(name.split(",")[0]));
  checkChanges(name, event.data.changes);
}

// Every address that the IDL tells how to find, from nothing but keys: those out of fields need a network.
let resolved = 0;
for (const instruction of program.idl.instructions) {
  const isOffline = (seed) => seed.kind !== "account" || !seed.path.includes(".");
  const found = instruction.accounts.filter(({ pda }) => pda?.seeds.every(isOffline));
  const keys = Object.fromEntries(
    instruction.accounts
      .filter((account) => !found.includes(account))
      .map(({ name }) => [name, Keypair.generate().publicKey]),
  );
  const number = new anchor.BN(7);
  const args = instruction.args.map(() => ({ id: number, tree: 1, level: 2, index: number }));
  const method = program.methods[instruction.name](...args).accountsPartial(keys);
  const pubkeys = await method.pubkeys();
  for (const { name, pda } of found) {
    const seeds = pda.seeds.map(({ kind, value, path }) => {
      if (kind === "const") return Buffer.from(value);
      if (kind === "account") return pubkeys[path].toBuffer();
      const field = args[0][path.split(".")[1]];
      return anchor.BN.isBN(field) ? field.toArrayLike(Buffer, "le", 8) : Buffer.of(field);
    });
    const [expected] = PublicKey.findProgramAddressSync(seeds, program.programId);
    assert.ok(pubkeys[name]?.equals(expected), `${instruction.name}: ${name} does not resolve`);
    resolved += 1;
  }
}
report(name, { accounts: accounts.length, events: events.length, addresses: resolved });
