-- What the last comparison with the chain found; no projection: it does not follow from the events.
CREATE TABLE audit (
    id SMALLINT PRIMARY KEY CHECK (id = 0),
    slot BYTEA NOT NULL,
    at BIGINT NOT NULL,
    figures BIGINT NOT NULL,
    unsettled BIGINT NOT NULL,
    found BIGINT NOT NULL,
    error BYTEA
);

-- The differences of it, in the order in which they were found.
CREATE TABLE difference (
    n BIGINT PRIMARY KEY,
    found_by TEXT NOT NULL,
    kind SMALLINT NOT NULL,
    address BYTEA NOT NULL,
    figure BYTEA NOT NULL,
    expected BYTEA NOT NULL,
    found BYTEA NOT NULL
);
