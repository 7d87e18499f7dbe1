-- Everything that follows from the record, empty. A change here takes a higher TABLES in version.rs: the leader then makes these
-- tables again and fills them from the events.

DROP TABLE IF EXISTS entity, score, total, step, settlement, party;

CREATE TABLE entity (
    kind SMALLINT NOT NULL,
    address BYTEA NOT NULL,
    seq BYTEA NOT NULL,
    seen BYTEA NOT NULL,
    closed BOOLEAN NOT NULL,
    slot BYTEA NOT NULL,
    tx BIGINT NOT NULL,
    instruction BIGINT NOT NULL,
    inner_index BIGINT NOT NULL,
    state_seq BYTEA,
    state_tx BIGINT,
    state_instruction BIGINT,
    state_inner BIGINT,
    state_bytes BYTEA,
    text_seq BYTEA,
    text BYTEA,
    owner BYTEA,
    state SMALLINT NOT NULL,
    PRIMARY KEY (kind, address)
);
CREATE INDEX entity_owner ON entity (kind, owner, address) WHERE owner IS NOT NULL;
-- Jobs (kind 7) are listed by their last change. Other accounts have no place in these lists: each change would move them.
CREATE INDEX entity_slot ON entity (slot, address) WHERE kind = 7;
CREATE INDEX entity_state ON entity (state, slot, address) WHERE kind = 7;
CREATE INDEX entity_gap ON entity (kind, address) WHERE seen <> seq;

-- Buckets are hours, and all time: the row of sums, which has those of the windows, too. Hours come first in the key: those that
-- leave a window lie together, and new ones are added at the end.
CREATE TABLE score (
    bucket BIGINT NOT NULL,
    -- The provider, model or client; zeroes for the network.
    subject BYTEA NOT NULL,
    -- All its numbers; scores.rs says how.
    numbers BYTEA NOT NULL,
    -- The change of the store that wrote them last.
    change BIGINT NOT NULL,
    PRIMARY KEY (bucket, subject)
);
-- Whoever keeps leaderboards in memory reads what changed since.
CREATE INDEX score_change ON score (change) WHERE bucket = '-9223372036854775808'::BIGINT;

CREATE TABLE total (
    -- In the order of its bytes, whatever the language of the database.
    category TEXT COLLATE "C" NOT NULL,
    assurance SMALLINT NOT NULL,
    mint BYTEA NOT NULL,
    atoms BYTEA NOT NULL,
    count BYTEA NOT NULL,
    PRIMARY KEY (category, assurance, mint)
);

CREATE TABLE step (
    -- The job, campaign or entry.
    job BYTEA NOT NULL,
    seq BYTEA NOT NULL,
    tx BIGINT NOT NULL,
    instruction BIGINT NOT NULL,
    inner_index BIGINT NOT NULL,
    -- 1: a submission, 2: a settled milestone.
    kind SMALLINT,
    PRIMARY KEY (job, seq, tx, instruction, inner_index)
);
-- A job's submissions are listed alone, its settled milestones counted: among its steps may be any number of demands.
CREATE INDEX step_kind ON step (job, kind, seq, tx, instruction, inner_index) WHERE kind IS NOT NULL;

CREATE TABLE settlement (
    tx BIGINT NOT NULL,
    instruction BIGINT NOT NULL,
    inner_index BIGINT NOT NULL,
    slot BYTEA NOT NULL,
    at BIGINT NOT NULL,
    job BYTEA NOT NULL,
    provider BYTEA NOT NULL,
    client BYTEA NOT NULL,
    model BYTEA NOT NULL,
    mint BYTEA NOT NULL,
    campaign BYTEA NOT NULL,
    assurance SMALLINT NOT NULL,
    milestone SMALLINT NOT NULL,
    work BYTEA NOT NULL,
    price_atoms BYTEA NOT NULL,
    fee_atoms BYTEA NOT NULL,
    royalty_atoms BYTEA NOT NULL,
    provider_atoms BYTEA NOT NULL,
    reward_atoms BYTEA NOT NULL,
    submitted_at BIGINT NOT NULL,
    score BYTEA NOT NULL,
    PRIMARY KEY (tx, instruction, inner_index)
);
CREATE INDEX settlement_provider ON settlement (provider, slot);
-- Most jobs name no campaign and cost nothing here.
CREATE INDEX settlement_campaign ON settlement (campaign, provider, slot)
    WHERE campaign <> '\x0000000000000000000000000000000000000000000000000000000000000000'::BYTEA;

-- Whom an event concerns: whose money it moved (0), or whose part in a job (1) or campaign (2) it began.
CREATE TABLE party (
    party BYTEA NOT NULL,
    concern SMALLINT NOT NULL,
    at BIGINT NOT NULL,
    tx BIGINT NOT NULL,
    instruction BIGINT NOT NULL,
    inner_index BIGINT NOT NULL,
    PRIMARY KEY (party, concern, at, tx, instruction, inner_index)
);
