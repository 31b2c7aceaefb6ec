-- Taking tokens back: sessions have generations too, signing keys are published before they sign, and readers of the feed say how far they are.

-- `key_id` and `version` are a key's secret version; or, with `user_id`, a session and when its password was given.
CREATE TABLE generations_of_all (
    status_index INTEGER PRIMARY KEY,
    key_id BLOB NOT NULL,
    version INTEGER NOT NULL,
    organization_id BLOB NOT NULL REFERENCES organizations (id),
    opened_at INTEGER NOT NULL,
    ended_at INTEGER,
    user_id BLOB REFERENCES users (id)
) STRICT;
INSERT INTO generations_of_all (status_index, key_id, version, organization_id, opened_at, ended_at)
    SELECT status_index, key_id, version, organization_id, opened_at, ended_at FROM generations;
DROP TABLE generations;
ALTER TABLE generations_of_all RENAME TO generations;
CREATE UNIQUE INDEX generations_open ON generations (key_id, version, organization_id) WHERE ended_at IS NULL;
CREATE INDEX generations_organization ON generations (organization_id) WHERE ended_at IS NULL;
CREATE INDEX generations_sessions ON generations (user_id) WHERE ended_at IS NULL AND user_id IS NOT NULL;

-- Pending as long as it is not activated; removed: it verifies nothing any more, and its private part is gone.
ALTER TABLE signing_keys ADD COLUMN activated_at INTEGER;
ALTER TABLE signing_keys ADD COLUMN removed_at INTEGER;
UPDATE signing_keys SET activated_at = created_at;
DROP INDEX signing_keys_active;
CREATE UNIQUE INDEX signing_keys_active ON signing_keys (purpose) WHERE activated_at IS NOT NULL AND retired_at IS NULL AND revoked_at IS NULL;
CREATE UNIQUE INDEX signing_keys_pending ON signing_keys (purpose) WHERE activated_at IS NULL AND revoked_at IS NULL;

-- As of when the set of signing keys is what it is.
CREATE INDEX changes_signing_keys ON changes (history, n) WHERE kind = 'signing-keys';

-- Which change an event of the log of changes belongs to.
CREATE INDEX log_changes_revision ON log_changes (revision);

-- Verifiers that follow the feed, as they call themselves.
CREATE TABLE verifiers (
    id BLOB PRIMARY KEY,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    address TEXT NOT NULL,
    -- What it does when it hears nothing: after so many milliseconds it refuses; absent: it accepts until the tokens' end.
    max_age INTEGER,
    seen_at INTEGER NOT NULL
) STRICT;
CREATE INDEX verifiers_seen ON verifiers (seen_at);

-- When each of them had applied which position.
CREATE TABLE confirmations (
    verifier_id BLOB NOT NULL REFERENCES verifiers (id),
    history INTEGER NOT NULL,
    n INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (verifier_id, history, n)
) STRICT;
CREATE INDEX confirmations_at ON confirmations (at);
