-- Amounts, slots and counters that are u64 or u128 on the chain are big-endian blobs of fixed width: they sort like the
-- numbers and never pass through a signed or floating type.

-- One row: what this store follows and how far it is.
CREATE TABLE meta (
    id INTEGER PRIMARY KEY CHECK (id = 0),
    program BLOB,
    genesis TEXT,
    slot BLOB,
    chain_time INTEGER,
    origin_signature BLOB,
    origin_slot BLOB,
    -- Kept here because counting millions of rows takes too long for a status page.
    transactions INTEGER NOT NULL DEFAULT 0,
    events INTEGER NOT NULL DEFAULT 0,
    dead_letters INTEGER NOT NULL DEFAULT 0
);
INSERT INTO meta (id) VALUES (0);

-- Every transaction that was read, so that an overlapping walk does not fetch it again.
CREATE TABLE tx (
    signature BLOB PRIMARY KEY,
    slot BLOB NOT NULL
) WITHOUT ROWID;

-- The record: append-only; everything below follows from it. Rows of about a kilobyte have a row number: in a table without
-- one, SQLite would spill them to other pages and insert them at random.
CREATE TABLE event (
    signature BLOB NOT NULL,
    instruction INTEGER NOT NULL,
    inner INTEGER NOT NULL,
    slot BLOB NOT NULL,
    name TEXT NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (signature, instruction, inner)
);

-- What came from the program and could not be understood; replayed by `rebuild`.
CREATE TABLE dead_letter (
    signature BLOB NOT NULL,
    instruction INTEGER NOT NULL,
    inner INTEGER NOT NULL,
    slot BLOB NOT NULL,
    reason TEXT NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (signature, instruction, inner)
) WITHOUT ROWID;

-- Projections.
CREATE TABLE entity (
    kind INTEGER NOT NULL,
    address BLOB NOT NULL,
    seq BLOB NOT NULL,
    seen BLOB NOT NULL,
    closed INTEGER NOT NULL,
    slot BLOB NOT NULL,
    signature BLOB NOT NULL,
    instruction INTEGER NOT NULL,
    inner INTEGER NOT NULL,
    state_seq BLOB,
    state_signature BLOB,
    state_instruction INTEGER,
    state_inner INTEGER,
    state_bytes BLOB,
    text_seq BLOB,
    text TEXT,
    owner BLOB NOT NULL,
    state INTEGER NOT NULL,
    PRIMARY KEY (kind, address)
);
CREATE INDEX entity_owner ON entity (kind, owner, address);
CREATE INDEX entity_slot ON entity (kind, slot, address);
CREATE INDEX entity_state ON entity (kind, state, slot, address);
CREATE INDEX entity_gap ON entity (kind) WHERE seen <> seq;

CREATE TABLE score (
    metric INTEGER NOT NULL,
    assurance INTEGER NOT NULL,
    mint BLOB NOT NULL,
    bucket INTEGER NOT NULL,
    provider BLOB NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (metric, assurance, mint, bucket, provider)
) WITHOUT ROWID;
-- Ranks over all time only; windows are sums of hours.
CREATE INDEX score_rank ON score (metric, assurance, mint, value DESC, provider) WHERE bucket = -9223372036854775808;
CREATE INDEX score_provider ON score (provider, bucket);

CREATE TABLE total (
    category TEXT NOT NULL,
    assurance INTEGER NOT NULL,
    mint BLOB NOT NULL,
    atoms BLOB NOT NULL,
    count BLOB NOT NULL,
    PRIMARY KEY (category, assurance, mint)
) WITHOUT ROWID;

CREATE TABLE step (
    job BLOB NOT NULL,
    seq BLOB NOT NULL,
    signature BLOB NOT NULL,
    instruction INTEGER NOT NULL,
    inner INTEGER NOT NULL,
    PRIMARY KEY (job, seq, signature, instruction, inner)
) WITHOUT ROWID;

CREATE TABLE settlement (
    signature BLOB NOT NULL,
    instruction INTEGER NOT NULL,
    inner INTEGER NOT NULL,
    slot BLOB NOT NULL,
    at INTEGER NOT NULL,
    job BLOB NOT NULL,
    provider BLOB NOT NULL,
    client BLOB NOT NULL,
    model BLOB NOT NULL,
    mint BLOB NOT NULL,
    campaign BLOB NOT NULL,
    assurance INTEGER NOT NULL,
    milestone INTEGER NOT NULL,
    work BLOB NOT NULL,
    price_atoms BLOB NOT NULL,
    fee_atoms BLOB NOT NULL,
    royalty_atoms BLOB NOT NULL,
    provider_atoms BLOB NOT NULL,
    reward_atoms BLOB NOT NULL,
    PRIMARY KEY (signature, instruction, inner)
) WITHOUT ROWID;
CREATE INDEX settlement_provider ON settlement (provider, slot, signature, instruction, inner);
