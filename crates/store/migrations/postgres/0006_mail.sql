-- Mail is tried again with growing pauses, and given up in the end. Of what was sent only the fact is kept, for a while.
ALTER TABLE outbox ADD COLUMN attempts BIGINT NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN next_attempt_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN failed_at BIGINT;
ALTER TABLE outbox ADD COLUMN failure TEXT NOT NULL DEFAULT '';
CREATE INDEX outbox_waiting ON outbox (next_attempt_at) WHERE sent_at IS NULL AND failed_at IS NULL;
CREATE INDEX outbox_created_at ON outbox (created_at);
CREATE INDEX outbox_recipient ON outbox (recipient, kind, created_at);

-- The expiry that its people were reminded of. Another expiry is reminded of again.
ALTER TABLE keys ADD COLUMN reminded_of BIGINT;
CREATE INDEX keys_expiring ON keys (expires_at, id) WHERE revoked_at IS NULL;
