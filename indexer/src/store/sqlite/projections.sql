-- Everything that follows from the record, empty. A change here takes a higher TABLES in version.rs: the next start then makes
-- these tables again and fills them from the events.

DROP TABLE IF EXISTS entity;
DROP TABLE IF EXISTS score;
DROP TABLE IF EXISTS total;
DROP TABLE IF EXISTS step;
DROP TABLE IF EXISTS settlement;
DROP TABLE IF EXISTS party;

CREATE TABLE entity (
    -- Steps name their account by it: new accounts come last, so the steps of those that change most lie together.
    id INTEGER PRIMARY KEY,
    kind INTEGER NOT NULL,
    address BLOB NOT NULL,
    seq BLOB NOT NULL,
    seen BLOB NOT NULL,
    closed INTEGER NOT NULL,
    slot BLOB NOT NULL,
    -- Here itself: the transactions of a batch's accounts lie all over the table of transactions.
    signature BLOB NOT NULL,
    instruction INTEGER NOT NULL,
    inner INTEGER NOT NULL,
    state_seq BLOB,
    -- None if it is the one above.
    state_signature BLOB,
    state_instruction INTEGER,
    state_inner INTEGER,
    state_bytes BLOB,
    text_seq BLOB,
    text TEXT,
    owner BLOB,
    state INTEGER NOT NULL,
    UNIQUE (kind, address)
);
CREATE INDEX entity_owner ON entity (kind, owner, address) WHERE owner IS NOT NULL;
-- Jobs (kind 7) are listed by their last change. Other accounts have no place in these lists: each change would move them.
CREATE INDEX entity_slot ON entity (slot, address) WHERE kind = 7;
CREATE INDEX entity_state ON entity (state, slot, address) WHERE kind = 7;
CREATE INDEX entity_gap ON entity (kind) WHERE seen <> seq;

-- Buckets are hours, and all time: the row of sums, which has those of the windows, too. Hours come first in the key: those that
-- leave a window lie together, and new ones are added at the end.
CREATE TABLE score (
    bucket INTEGER NOT NULL,
    -- The provider, model or client; zeroes for the network.
    subject BLOB NOT NULL,
    -- All its numbers; scores.rs says how.
    numbers BLOB NOT NULL,
    -- The change of the store that wrote them last.
    change INTEGER NOT NULL,
    PRIMARY KEY (bucket, subject)
) WITHOUT ROWID;
-- Whoever keeps leaderboards in memory reads what changed since.
CREATE INDEX score_change ON score (change) WHERE bucket = -9223372036854775808;

CREATE TABLE total (
    category TEXT NOT NULL,
    assurance INTEGER NOT NULL,
    mint BLOB NOT NULL,
    atoms BLOB NOT NULL,
    count BLOB NOT NULL,
    PRIMARY KEY (category, assurance, mint)
) WITHOUT ROWID;

CREATE TABLE step (
    -- The row of the job, campaign or entry.
    account INTEGER NOT NULL,
    seq BLOB NOT NULL,
    tx INTEGER NOT NULL,
    instruction INTEGER NOT NULL,
    inner INTEGER NOT NULL,
    -- 1: a submission, 2: a settled milestone.
    kind INTEGER,
    PRIMARY KEY (account, seq, tx, instruction, inner)
) WITHOUT ROWID;
-- A job's submissions are listed alone, its settled milestones counted: among its steps may be any number of demands.
CREATE INDEX step_kind ON step (account, kind, seq, tx, instruction, inner) WHERE kind IS NOT NULL;

CREATE TABLE settlement (
    tx INTEGER NOT NULL,
    instruction INTEGER NOT NULL,
    inner INTEGER NOT NULL,
    slot BLOB NOT NULL,
    at INTEGER NOT NULL,
    job BLOB NOT NULL,
    provider BLOB NOT NULL,
    client BLOB NOT NULL,
    -- Empty if there is none.
    model BLOB NOT NULL,
    mint BLOB NOT NULL,
    -- Empty if there is none.
    campaign BLOB NOT NULL,
    assurance INTEGER NOT NULL,
    milestone INTEGER NOT NULL,
    work BLOB NOT NULL,
    price_atoms BLOB NOT NULL,
    fee_atoms BLOB NOT NULL,
    royalty_atoms BLOB NOT NULL,
    provider_atoms BLOB NOT NULL,
    reward_atoms BLOB NOT NULL,
    submitted_at INTEGER NOT NULL,
    score BLOB NOT NULL,
    PRIMARY KEY (tx, instruction, inner)
);
CREATE INDEX settlement_provider ON settlement (provider, slot);
-- Most jobs name no campaign and cost nothing here.
CREATE INDEX settlement_campaign ON settlement (campaign, provider, slot) WHERE campaign <> x'';

-- Whom an event concerns: whose money it moved (0), or whose part in a job (1) or campaign (2) it began.
CREATE TABLE party (
    party BLOB NOT NULL,
    concern INTEGER NOT NULL,
    at INTEGER NOT NULL,
    tx INTEGER NOT NULL,
    instruction INTEGER NOT NULL,
    inner INTEGER NOT NULL,
    PRIMARY KEY (party, concern, at, tx, instruction, inner)
) WITHOUT ROWID;
