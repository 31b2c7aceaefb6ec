-- Processes that serve this database, and how far each of them has applied the log of changes. A row is written before its process loads
-- anything, and renewed while it lives: whoever changes something waits until every row has come that far.
CREATE TABLE replicas (
    -- Made anew at every start, and whenever the row was gone.
    instance UUID PRIMARY KEY,
    -- The process, for as long as it runs.
    process UUID NOT NULL,
    address TEXT NOT NULL,
    history BIGINT NOT NULL,
    n BIGINT NOT NULL,
    -- Counts: a row that stands still is one whose process does.
    renewals BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    renewed_at BIGINT NOT NULL
);

-- Which server, and which of its timelines, the history belongs to: after a failover or a restore it is another one.
ALTER TABLE revision ADD COLUMN cluster TEXT;
-- Since when nothing is answered, because revocations may have been lost on the way.
ALTER TABLE revision ADD COLUMN shut_at BIGINT;
