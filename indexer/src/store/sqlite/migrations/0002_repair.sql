-- "Qurn": a file of another application is not taken for a store.
PRAGMA application_id = 1366651502;

-- Whether the next run walks the whole history again.
ALTER TABLE meta ADD COLUMN walk_due INTEGER NOT NULL DEFAULT 0;

-- Events and dead letters of the transaction: rows that are lost later are noticed.
ALTER TABLE tx ADD COLUMN entries INTEGER NOT NULL DEFAULT 0;
UPDATE tx SET entries =
    (SELECT COUNT(*) FROM event WHERE event.signature = tx.signature) +
    (SELECT COUNT(*) FROM dead_letter WHERE dead_letter.signature = tx.signature);

-- A job's submissions are listed alone: among its steps may be any number of demands.
ALTER TABLE step ADD COLUMN submission INTEGER NOT NULL DEFAULT 0;
UPDATE step SET submission = 1 WHERE EXISTS (
    SELECT 1 FROM event WHERE event.signature = step.signature AND event.instruction = step.instruction
        AND event.inner = step.inner AND event.name = 'ResultSubmitted');
CREATE INDEX step_submission ON step (job, seq, signature, instruction, inner) WHERE submission;
CREATE INDEX settlement_job ON settlement (job);
