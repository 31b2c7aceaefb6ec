-- Processes that serve this database, and how far each of them has applied the log of changes. A row is written before its process loads
-- anything, and renewed while it lives: whoever changes something waits until every row has come that far.
CREATE TABLE replicas (
    -- Made anew at every start, and whenever the row was gone.
    instance BLOB PRIMARY KEY,
    -- The process, for as long as it runs.
    process BLOB NOT NULL,
    address TEXT NOT NULL,
    history INTEGER NOT NULL,
    n INTEGER NOT NULL,
    -- Counts: a row that stands still is one whose process does.
    renewals INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    renewed_at INTEGER NOT NULL
) STRICT;

-- Which server, and which of its timelines, the history belongs to: after a failover or a restore it is another one.
ALTER TABLE revision ADD COLUMN cluster TEXT;
-- Since when nothing is answered, because revocations may have been lost on the way.
ALTER TABLE revision ADD COLUMN shut_at INTEGER;
