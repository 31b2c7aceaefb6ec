-- Taking tokens back: sessions have generations too, signing keys are published before they sign, and readers of the feed say how far they are.

-- `key_id` and `version` are a key's secret version; or, with `user_id`, a session and when its password was given.
ALTER TABLE generations DROP CONSTRAINT generations_key_id_version_fkey;
ALTER TABLE generations ADD COLUMN user_id UUID REFERENCES users (id);
CREATE INDEX generations_sessions ON generations (user_id) WHERE ended_at IS NULL AND user_id IS NOT NULL;

-- Pending as long as it is not activated; removed: it verifies nothing any more, and its private part is gone.
ALTER TABLE signing_keys ADD COLUMN activated_at BIGINT;
ALTER TABLE signing_keys ADD COLUMN removed_at BIGINT;
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
    id UUID PRIMARY KEY,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    address TEXT NOT NULL,
    -- What it does when it hears nothing: after so many milliseconds it refuses; absent: it accepts until the tokens' end.
    max_age BIGINT,
    seen_at BIGINT NOT NULL
);
CREATE INDEX verifiers_seen ON verifiers (seen_at);

-- When each of them had applied which position.
CREATE TABLE confirmations (
    verifier_id UUID NOT NULL REFERENCES verifiers (id),
    history BIGINT NOT NULL,
    n BIGINT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (verifier_id, history, n)
);
CREATE INDEX confirmations_at ON confirmations (at);
