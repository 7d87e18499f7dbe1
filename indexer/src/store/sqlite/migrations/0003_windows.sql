-- Sums over the last hours stand beside those over all time, as buckets of their own, and are ranked by the same index. Hours
-- come first in the key: those that leave a window lie together, and new ones are added at the end.
CREATE TABLE score_by_bucket (
    bucket INTEGER NOT NULL,
    metric INTEGER NOT NULL,
    assurance INTEGER NOT NULL,
    mint BLOB NOT NULL,
    provider BLOB NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (bucket, metric, assurance, mint, provider)
) WITHOUT ROWID;
INSERT INTO score_by_bucket
    SELECT bucket, metric, assurance, mint, provider, value FROM score
    ORDER BY bucket, metric, assurance, mint, provider;
DROP TABLE score;
ALTER TABLE score_by_bucket RENAME TO score;
-- All time and windows: the lowest numbers of buckets.
CREATE INDEX score_rank ON score (bucket, metric, assurance, mint, value DESC, provider)
    WHERE bucket < -9223372036854775800;
CREATE INDEX score_provider ON score (provider, bucket);

-- The hour that windows end with; none before they are made.
ALTER TABLE meta ADD COLUMN window_hour INTEGER;
