// What a client of Quern needs beside Anchor's library: addresses, purses, events, names of errors, roots of tensors, the check of
// a published result.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

import anchor, { type BN, type Program, type web3 } from "@anchor-lang/core";
import type { Quern } from "../../idl/quern.js";

const { PublicKey } = anchor.web3;
const { bs58 } = anchor.utils.bytes;

/** The committed IDL. For another deployment replace the program's address everywhere in this text before it is parsed. */
export function readIdl(path: string): Quern {
  return JSON.parse(readFileSync(path, "utf8")) as Quern;
}

/** The program as a wallet sees it. */
export function programOf(idl: Quern, connection: web3.Connection, wallet: web3.Keypair): Program<Quern> {
  const provider = new anchor.AnchorProvider(connection, new anchor.Wallet(wallet), { commitment: "confirmed" });
  return new anchor.Program<Quern>(idl, provider);
}

/** An address of the program. A seed is a text, a key or bytes. */
export function address(program: web3.PublicKey, ...seeds: (string | web3.PublicKey | Uint8Array)[]): web3.PublicKey {
  const bytes = seeds.map((seed) => (seed instanceof PublicKey ? seed.toBuffer() : Buffer.from(seed)));
  return PublicKey.findProgramAddressSync(bytes, program)[0];
}

/** Purses as remaining accounts: the owner stands before the mint in the seeds; each once, none of nobody. */
export function purses(
  program: web3.PublicKey,
  owners: web3.PublicKey[],
  mint: web3.PublicKey,
  isWritable: boolean,
): web3.AccountMeta[] {
  const people = owners.filter((owner) => !owner.equals(PublicKey.default));
  const keys = new Set(people.map((owner) => address(program, "purse", owner, mint).toBase58()));
  return [...keys].map((key) => ({ pubkey: new PublicKey(key), isSigner: false, isWritable }));
}

/** An event; `changes` holds every account that it changed, with its new values. */
export interface QuernEvent {
  name: string;
  data: { [field: string]: unknown; changes: { kind: number; address: web3.PublicKey; seq: BN; after: Buffer }[] };
}

/** What every event begins with. */
const EVENT_TAG = Buffer.from("e445a52e51cb9a1d", "hex");

/** The events of a transaction. The program sends them to itself instead of logging them: `EventParser` finds none. */
export async function eventsOf(program: Program<Quern>, signature: string): Promise<QuernEvent[]> {
  const found = await program.provider.connection.getTransaction(signature, {
    commitment: "confirmed",
    maxSupportedTransactionVersion: 0,
  });
  if (!found?.meta) throw new Error(`the node does not know the transaction ${signature}`);
  const keys = found.transaction.message.getAccountKeys({ accountKeysFromLookups: found.meta.loadedAddresses });
  return (
    (found.meta.innerInstructions ?? [])
      .flatMap((group) => group.instructions)
      // Only this program can call itself with its event authority; any other may write the same bytes.
      .filter((call) => keys.get(call.programIdIndex)?.equals(program.programId))
      .map((call) => Buffer.from(bs58.decode(call.data)))
      .filter((data) => data.subarray(0, 8).equals(EVENT_TAG))
      .map((data) => program.coder.events.decode(data.subarray(8).toString("base64")) as unknown as QuernEvent)
  );
}

/** An account out of an event: nothing has to be read from the chain. */
export function changed<T>(program: Program<Quern>, event: QuernEvent, account: "purse" | "job" | "provider"): T[] {
  const described = program.idl.accounts.find(({ name }) => name === account);
  if (!described) throw new Error(`the IDL has no account ${account}`);
  const kind = Number(program.idl.constants.find(({ name }) => name.toLowerCase() === `entitykind${account}`)?.value);
  return event.data.changes
    .filter((change) => change.kind === kind && change.after.length > 0)
    .map((change) =>
      program.coder.accounts.decode(account, Buffer.concat([Buffer.from(described.discriminator), change.after])),
    );
}

/** The sentence of the program's error. Anchor's library does not find it, because the program logs no error text. */
export function explain(program: Program<Quern>, error: unknown): string {
  const code = parseInt(/custom program error: 0x([0-9a-f]+)/.exec(String(error))?.[1] ?? "", 16);
  const known = program.idl.errors.find((described) => described.code === code);
  return known ? `${known.name}: ${known.msg}` : String(error);
}

type Named<T extends "job" | "protocol"> = Awaited<ReturnType<Program<Quern>["account"][T]["fetch"]>>;

/** What a decision about a job names: the job as its signer has read it. Nothing happens to another one. */
export function seen(idl: Quern, job: Named<"job">): { seq: BN; root: number[] } {
  const isBeforeResult = [constant(idl, "JOB_STATE_OPEN"), constant(idl, "JOB_STATE_TAKEN")].includes(job.state);
  return { seq: job.seq, root: isBeforeResult ? job.checkpoint : job.traceRoot };
}

/** What a client agrees to: the protocol's terms, who earns the fee, the model's royalty and who earns it. */
export function termsHash(
  program: Program<Quern>,
  protocol: Named<"protocol">,
  royaltyOwner: web3.PublicKey,
  royaltyBps: number,
) {
  const bps = Buffer.of(royaltyBps & 0xff, royaltyBps >> 8);
  const terms = program.coder.types.encode("terms", protocol.terms);
  return [...sha256(terms, protocol.treasuryOwner.toBuffer(), royaltyOwner.toBuffer(), bps)];
}

/** A constant of the IDL, as a number: `JOB_STATE_OPEN`. */
export function constant(idl: Quern, name: string): number {
  const found = idl.constants.find((constant) => (constant.name as string) === name);
  if (!found) throw new Error(`the IDL has no constant ${name}`);
  return Number(found.value);
}

const sha256 = (...parts: Uint8Array[]) => createHash("sha256").update(Buffer.concat(parts)).digest();

const ceil = (count: number) => 2 ** Math.ceil(Math.log2(count));

/** The root above a power of two of nodes. */
function rootOver(nodes: Buffer[], tag: number): Buffer {
  let level = nodes;
  while (level.length > 1) {
    const below = level;
    level = Array.from({ length: below.length / 2 }, (_, at) =>
      sha256(Buffer.of(tag), below[2 * at]!, below[2 * at + 1]!),
    );
  }
  return level[0]!;
}

/** The data root of a tensor: `rows` rows of `rowBytes` bytes (int8, int16 or int32, little-endian) one after another. */
export function dataRoot(data: Uint8Array, rows: number, rowBytes: number): Buffer {
  const leavesOfRow = ceil(Math.ceil(rowBytes / 128));
  const nodes: Buffer[] = [];
  for (let row = 0; row < ceil(rows); row++) {
    for (let leaf = 0; leaf < leavesOfRow; leaf++) {
      const isThere = row < rows && leaf * 128 < rowBytes;
      const values = Buffer.alloc(128);
      if (isThere)
        values.set(data.subarray(row * rowBytes + leaf * 128, row * rowBytes + Math.min(rowBytes, leaf * 128 + 128)));
      // Where a shape has no leaf there stand zeros in place of its hash.
      nodes.push(isThere ? sha256(Buffer.of(0), values) : Buffer.alloc(32));
    }
  }
  return rootOver(nodes, 1);
}

/** What job and graph say of a refereed result: items, the graph's ops, rows of its last op in an item, and their bytes. */
export interface ResultShape {
  items: number;
  ops: number;
  rows: number;
  rowBytes: number;
}

/** Whether a published result (`result.bin`, `roots.bin`) leads to the trace root on chain. Believe none before. */
export function isPublished(traceRoot: Uint8Array, result: Buffer, roots: Buffer, shape: ResultShape): boolean {
  const { items, ops, rows, rowBytes } = shape;
  const [ofItem, height] = [rows * rowBytes, Math.ceil(Math.log2(ops))];
  const record = 32 * (1 + height);
  if (result.length !== items * ofItem || roots.length !== items * record) return false;
  const tag = Buffer.of(2);
  // A missing item is a subtree of missing ops.
  const missing = rootOver(Array<Buffer>(2 ** height).fill(Buffer.alloc(32)), 2);
  const itemRoots = Array<Buffer>(ceil(items)).fill(missing);
  for (let item = 0; item < items; item++) {
    const [root, ...path] = Array.from({ length: 1 + height }, (_, at) =>
      roots.subarray(item * record + 32 * at, item * record + 32 * at + 32),
    );
    let [node, place] = [dataRoot(result.subarray(item * ofItem, (item + 1) * ofItem), rows, rowBytes), ops - 1];
    for (const sibling of path) {
      node = place % 2 === 1 ? sha256(tag, sibling, node) : sha256(tag, node, sibling);
      place = Math.floor(place / 2);
    }
    if (!node.equals(root!)) return false;
    itemRoots[item] = root!;
  }
  return rootOver(itemRoots, 2).equals(traceRoot);
}
