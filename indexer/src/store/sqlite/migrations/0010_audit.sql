-- What the last comparison with the chain found; no projection: it does not follow from the events.
CREATE TABLE audit (
    id INTEGER PRIMARY KEY CHECK (id = 0),
    slot BLOB NOT NULL,
    at INTEGER NOT NULL,
    figures INTEGER NOT NULL,
    unsettled INTEGER NOT NULL,
    found INTEGER NOT NULL,
    error TEXT
);

-- The differences of it, in the order in which they were found.
CREATE TABLE difference (
    n INTEGER PRIMARY KEY,
    found_by TEXT NOT NULL,
    kind INTEGER NOT NULL,
    address BLOB NOT NULL,
    figure TEXT NOT NULL,
    expected TEXT NOT NULL,
    found TEXT NOT NULL
);
