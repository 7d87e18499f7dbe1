-- Amounts, slots and counters that are u64 or u128 on the chain are big-endian blobs of fixed width: they sort like the
-- numbers and never pass through a signed or floating type.

-- "Qurn": a file of another application is not taken for a store.
PRAGMA application_id = 1366651502;

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
    dead_letters INTEGER NOT NULL DEFAULT 0,
    -- Whether the next run walks the whole history again.
    walk_due INTEGER NOT NULL DEFAULT 0,
    -- The hour that windows end with; none before they are made.
    window_hour INTEGER
);
INSERT INTO meta (id) VALUES (0);

-- Transactions by number: all other rows name one by its few bytes instead of the 64 of its signature. What is inserted comes
-- at the end then, of this table and of those that begin with the number.
CREATE TABLE tx (
    -- Never given twice: rows may still refer to a transaction that was lost.
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    signature BLOB NOT NULL,
    slot BLOB NOT NULL,
    -- Events and dead letters of it, so that rows that are lost later are noticed. None if it is to be read (again).
    entries INTEGER
);
-- Signatures have no order, so each goes to another page of this index: eight bytes of each keep it in memory. That a
-- signature stands there once is the writer's to see to; there is one.
CREATE INDEX tx_signature ON tx (substr(signature, 1, 8));

-- The record: append-only; everything below follows from it. Rows of about a kilobyte have a row number: in a table without
-- one, SQLite would spill them to other pages.
CREATE TABLE event (
    tx INTEGER NOT NULL,
    instruction INTEGER NOT NULL,
    inner INTEGER NOT NULL,
    slot BLOB NOT NULL,
    name TEXT NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (tx, instruction, inner)
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
    tx INTEGER NOT NULL,
    instruction INTEGER NOT NULL,
    inner INTEGER NOT NULL,
    state_seq BLOB,
    state_tx INTEGER,
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
-- Jobs (kind 7) are listed by their last change. Other accounts have no place in these lists: each change would move them.
CREATE INDEX entity_slot ON entity (slot, address) WHERE kind = 7;
CREATE INDEX entity_state ON entity (state, slot, address) WHERE kind = 7;
CREATE INDEX entity_gap ON entity (kind) WHERE seen <> seq;

-- Buckets are hours, all time, and the last hours: windows, whose sums stand beside those over all time and are ranked by the
-- same index. Hours come first in the key: those that leave a window lie together, and new ones are added at the end. Then
-- comes the provider, so that all its numbers lie together: a milestone changes several of them, and a page shows them all.
CREATE TABLE score (
    bucket INTEGER NOT NULL,
    -- The provider, model or client; zeroes for the network.
    provider BLOB NOT NULL,
    -- What is counted, and of whom: providers, models, clients, the network.
    metric INTEGER NOT NULL,
    assurance INTEGER NOT NULL,
    mint BLOB NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (bucket, provider, metric, assurance, mint)
) WITHOUT ROWID;
-- All time and windows: the lowest numbers of buckets.
CREATE INDEX score_rank ON score (bucket, metric, assurance, mint, value DESC, provider)
    WHERE bucket < -9223372036854775800;
-- What an hour that left them emptied.
CREATE INDEX score_empty ON score (bucket)
    WHERE bucket > -9223372036854775808 AND bucket < -9223372036854775800 AND value = x'00000000000000000000000000000000';

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
    tx INTEGER NOT NULL,
    instruction INTEGER NOT NULL,
    inner INTEGER NOT NULL,
    submission INTEGER NOT NULL,
    PRIMARY KEY (job, seq, tx, instruction, inner)
) WITHOUT ROWID;
-- A job's submissions are listed alone: among its steps may be any number of demands.
CREATE INDEX step_submission ON step (job, seq, tx, instruction, inner) WHERE submission;

CREATE TABLE settlement (
    tx INTEGER NOT NULL,
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
    PRIMARY KEY (tx, instruction, inner)
);
CREATE INDEX settlement_provider ON settlement (provider, slot);
CREATE INDEX settlement_job ON settlement (job);

-- Whom an event concerns: whose money it moved (0), or whose part in a job it began (1).
CREATE TABLE party (
    party BLOB NOT NULL,
    concern INTEGER NOT NULL,
    at INTEGER NOT NULL,
    tx INTEGER NOT NULL,
    instruction INTEGER NOT NULL,
    inner INTEGER NOT NULL,
    PRIMARY KEY (party, concern, at, tx, instruction, inner)
) WITHOUT ROWID;
