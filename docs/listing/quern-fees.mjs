// Fees and revenue of Quern for DefiLlama's dimension adapters: copy it to `fees/quern.ts` there (it is TypeScript without types).
//
// It reads an indexer's `/v1/feeds/fees`. Name the indexer that you trust; `/v1/audit` of it says whether its tables are the chain's.
// Amounts are atoms of the mint; texts of digits, for they may exceed what a number of JavaScript holds.

const INDEXER = process.env.QUERN_INDEXER ?? "https://indexer.quern.example";

const fetchFees = async (options) => {
  // The end is the first second of the next time.
  const query = `from=${options.startTimestamp}&to=${options.endTimestamp - 1}`;
  const reply = await fetch(`${INDEXER}/v1/feeds/fees?${query}`);
  const fees = await reply.json();
  if (!reply.ok) throw new Error(`${INDEXER}: ${fees.detail}`);
  if (!fees.whole_history) throw new Error(`${INDEXER} misses a part of the history`);
  const dailyFees = options.createBalances();
  const dailyRevenue = options.createBalances();
  const dailySupplySideRevenue = options.createBalances();
  for (const one of fees.mints) {
    dailyFees.add(one.mint, one.paid_atoms);
    dailyRevenue.add(one.mint, one.protocol_atoms);
    dailySupplySideRevenue.add(one.mint, one.provider_atoms);
    dailySupplySideRevenue.add(one.mint, one.royalty_atoms);
  }
  return { dailyFees, dailyRevenue, dailyProtocolRevenue: dailyRevenue, dailySupplySideRevenue };
};

const adapter = {
  version: 2,
  adapter: {
    solana: {
      fetch: fetchFees,
      start: "2026-01-01",
    },
  },
  methodology: {
    Fees: "What clients paid for settled and arbitrated milestones.",
    Revenue: "The protocol's part of it.",
    ProtocolRevenue: "The protocol's part of it.",
    SupplySideRevenue: "What providers and owners of models got.",
  },
};

export default adapter;
