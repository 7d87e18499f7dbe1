-- The record. Migrations are never changed once they are on a branch that others build from: a store remembers them. What
-- follows from the record stands in projections.sql and is made again whenever its form changes.
--
-- Amounts, slots and counters that are u64 or u128 on the chain are big-endian bytea of fixed width: they sort like the numbers,
-- take fewer bytes than NUMERIC and never pass through a signed or floating type. The function number() shows them to people.
-- Texts that strangers chose are bytea too: TEXT refuses the character NUL, and one such text would hold the cursor for ever.

-- A number as people read it: SELECT number(provider_atoms) FROM settlement.
CREATE FUNCTION number(value BYTEA) RETURNS NUMERIC LANGUAGE SQL IMMUTABLE STRICT PARALLEL SAFE
RETURN (
    SELECT COALESCE(SUM(get_byte(value, place) * 256::NUMERIC ^ (length(value) - 1 - place)), 0)::NUMERIC(39, 0)
    FROM generate_series(0, length(value) - 1) AS place
);

-- One row: what this store follows and how far it is.
CREATE TABLE meta (
    id SMALLINT PRIMARY KEY CHECK (id = 0),
    program BYTEA,
    genesis TEXT,
    slot BYTEA,
    chain_time BIGINT,
    origin_signature BYTEA,
    origin_slot BYTEA,
    -- Kept here because counting millions of rows takes too long for a status page.
    transactions BIGINT NOT NULL DEFAULT 0,
    events BIGINT NOT NULL DEFAULT 0,
    dead_letters BIGINT NOT NULL DEFAULT 0,
    -- Whether the next run walks the whole history again.
    walk_due BOOLEAN NOT NULL DEFAULT FALSE,
    -- The hour that windows end with; none before they are made.
    window_hour BIGINT,
    -- The version of the projections; 0 before they are made.
    tables BIGINT NOT NULL DEFAULT 0
);
INSERT INTO meta (id) VALUES (0);

-- Transactions by number: all other rows name one by its few bytes instead of the 64 of its signature.
CREATE TABLE tx (
    -- Never given twice: rows may still refer to a transaction that was lost.
    id BIGINT PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    signature BYTEA NOT NULL UNIQUE,
    slot BYTEA NOT NULL,
    -- Events and dead letters of it, so that rows that are lost later are noticed. None if it is to be read (again).
    entries BIGINT
);

-- Append-only; everything else follows from it.
CREATE TABLE event (
    tx BIGINT NOT NULL,
    instruction BIGINT NOT NULL,
    inner_index BIGINT NOT NULL,
    slot BYTEA NOT NULL,
    name TEXT NOT NULL,
    data BYTEA NOT NULL,
    PRIMARY KEY (tx, instruction, inner_index)
);

-- What came from the program and could not be understood; replayed by `rebuild`.
CREATE TABLE dead_letter (
    signature BYTEA NOT NULL,
    instruction BIGINT NOT NULL,
    inner_index BIGINT NOT NULL,
    slot BYTEA NOT NULL,
    reason BYTEA NOT NULL,
    data BYTEA NOT NULL,
    PRIMARY KEY (signature, instruction, inner_index)
);
