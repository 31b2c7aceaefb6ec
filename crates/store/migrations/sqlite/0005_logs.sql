-- Logs are read, from the end backwards, and what is old is removed.

-- A row of accesses says when the first one happened.
DROP TABLE log_access;
CREATE TABLE log_access (
    id BLOB PRIMARY KEY,
    root_id BLOB NOT NULL,
    sequence INTEGER NOT NULL,
    organization_id BLOB NOT NULL,
    since INTEGER NOT NULL,
    events TEXT NOT NULL,
    FOREIGN KEY (root_id, sequence) REFERENCES log_links (root_id, sequence)
) STRICT;
CREATE INDEX log_access_link ON log_access (root_id, sequence, since);
CREATE INDEX log_access_organization ON log_access (organization_id, sequence, since);

DROP INDEX log_changes_organization;
CREATE INDEX log_changes_organization ON log_changes (organization_id, sequence);
CREATE INDEX log_changes_link ON log_changes (root_id, sequence);
CREATE INDEX log_changes_at ON log_changes (at);
CREATE INDEX log_links_at ON log_links (root_id, at);
