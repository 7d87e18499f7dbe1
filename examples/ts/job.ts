// A whole job from TypeScript: deposit, create, take, submit, accept, and what the events say.
//
//   quern localnet                                    # in another terminal, in the checkout's root
//   cd examples/ts && npm ci --ignore-scripts && npm run build && cd ../..
//   node examples/ts/build/examples/ts/job.js http://127.0.0.1:8899 MINT quern-localnet
//
// The job is *Reviewed*: its client looks at the result and accepts it by signing `finalize`.

import { readFileSync } from "node:fs";

import anchor, { type web3 } from "@anchor-lang/core";
import {
  address,
  changed,
  constant,
  dataRoot,
  eventsOf,
  explain,
  programOf,
  purses,
  readIdl,
  seen,
  termsHash,
} from "./quern.js";

const { BN } = anchor;
const { Connection, Keypair, PublicKey } = anchor.web3;

const [url = "http://127.0.0.1:8899", mintText = "", keys = "quern-localnet"] = process.argv.slice(2);
const NOBODY = PublicKey.default;
const ONE = 1_000_000; // atoms of a token with 6 decimals

const wallet = (name: string) =>
  Keypair.fromSecretKey(Uint8Array.from(JSON.parse(readFileSync(`${keys}/${name}.json`, "utf8")) as number[]));
const [client, provider] = [wallet("client"), wallet("provider")];
const mint = new PublicKey(mintText);
const idl = readIdl("idl/quern.json");
// The library gives up after 30 seconds unless told otherwise; a busy machine may need more.
const connection = new Connection(url, { commitment: "confirmed", confirmTransactionInitialTimeout: 120_000 });
const asClient = programOf(idl, connection, client);
const asProvider = programOf(idl, connection, provider);
const id = asClient.programId;
const mintConfig = address(id, "mint", mint);
const purseOf = (owner: web3.PublicKey) => address(id, "purse", owner, mint);

async function openPurse(owner: web3.PublicKey): Promise<void> {
  if (await asClient.account.purse.fetchNullable(purseOf(owner))) return;
  await asClient.methods.openPurse().accounts({ payer: client.publicKey, owner, mintConfig }).rpc();
}

async function deposit(program: typeof asClient, owner: web3.Keypair, atoms: number): Promise<void> {
  await openPurse(owner.publicKey);
  const { tokenProgram } = await program.account.mintConfig.fetch(mintConfig);
  const ata = new PublicKey("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL");
  const source = address(ata, owner.publicKey, tokenProgram, mint);
  const signature = await program.methods
    .deposit(new BN(atoms))
    .accounts({ depositor: owner.publicKey, source, mint, purse: purseOf(owner.publicKey), tokenProgram })
    .rpc();
  const [event] = await eventsOf(program, signature);
  const [purse] = changed<{ freeAtoms: anchor.BN }>(program, event!, "purse");
  console.log(`${event!.name}: ${owner.publicKey} has ${purse!.freeAtoms} free atoms`);
}

async function createJob(): Promise<web3.PublicKey> {
  const protocol = await asClient.account.protocol.fetch(address(id, "protocol"));
  await openPurse(protocol.treasuryOwner);
  const { opened } = await asClient.account.purse.fetch(purseOf(client.publicKey));
  // The clock is the cluster's. This one's is read from its newest block.
  const now = await connection.getBlockTime(await connection.getSlot("confirmed"));
  const input = Uint8Array.of(1, 2, 3, 4, 5, 6);
  await asClient.methods
    .createJob(
      {
        kind: constant(idl, "JOB_KIND_INFERENCE"),
        assurance: constant(idl, "ASSURANCE_REVIEWED"),
        milestones: 1,
        priceAtoms: new BN(2 * ONE),
        bondAtoms: new BN(ONE),
        takeSecs: 600,
        workSecs: 600,
        reviewSecs: 600,
        endsBy: new BN(now! + 3_600),
        items: 2,
        pinnedProvider: provider.publicKey,
        arbiter: NOBODY,
        campaign: NOBODY,
        inputRoots: [[...dataRoot(input, 2, 3)]],
        inputUri: "https://client.example/input.qten",
      },
      termsHash(asClient, protocol, NOBODY, 0),
    )
    .accounts({ client: client.publicKey, mintConfig, model: null })
    .remainingAccounts(purses(id, [protocol.treasuryOwner], mint, false))
    .rpc();
  // What the purse has opened so far is the number of the next job.
  return address(id, "job", purseOf(client.publicKey), opened.toArrayLike(Buffer, "le", 8));
}

/** What a decision about the job as it is now names. */
const asSeen = async (job: web3.PublicKey) => seen(idl, await asProvider.account.job.fetch(job));

async function work(job: web3.PublicKey): Promise<void> {
  const entry = address(id, "provider", provider.publicKey);
  if (!(await asProvider.account.provider.fetchNullable(entry))) {
    const settings = {
      operator: provider.publicKey,
      name: "Example",
      endpoint: "https://provider.example",
      active: true,
    };
    await asProvider.methods.registerProvider(settings).accounts({ owner: provider.publicKey }).rpc();
  }
  await asProvider.methods
    .takeJob(await asSeen(job))
    .accounts({ signer: provider.publicKey, provider: entry, job })
    .rpc();
  const result = Uint8Array.of(7);
  await asProvider.methods
    .submit(await asSeen(job), {
      traceRoot: [...dataRoot(result, 1, 1)],
      // Only graphs that write text have tokens.
      tokensRoot: Array<number>(32).fill(0),
      outputUri: "https://provider.example/output.qten",
    })
    .accounts({ signer: provider.publicKey, job })
    .rpc();
}

async function accept(place: web3.PublicKey): Promise<void> {
  const job = await asClient.account.job.fetch(place);
  const emission = address(id, "emission");
  const { rewardMint } = await asClient.account.emission.fetch(emission);
  const rewards = rewardMint.equals(NOBODY) ? [] : purses(id, [emission], rewardMint, true);
  const people = [job.client, job.provider, job.treasuryOwner, job.royaltyOwner];
  const signature = await asClient.methods
    .finalize(seen(idl, job))
    .accounts({ signer: client.publicKey, job: place })
    .remainingAccounts([...purses(id, people, job.mint, true), ...rewards])
    .rpc();
  for (const event of await eventsOf(asClient, signature)) {
    console.log(
      `${event.name}: the provider got ${event.data.providerAtoms} atoms, the treasury ${event.data.feeAtoms}`,
    );
  }
}

/** An error of the program, with its sentence. */
async function refused(): Promise<void> {
  try {
    await deposit(asClient, client, 0);
  } catch (error) {
    console.log(`refused: ${explain(asClient, error)}`);
  }
}

await refused();
await deposit(asClient, client, 10 * ONE);
await deposit(asProvider, provider, 10 * ONE);
const job = await createJob();
await work(job);
await accept(job);
