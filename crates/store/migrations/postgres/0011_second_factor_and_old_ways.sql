-- The second factor of people: a secret that their device shares, and codes for when it is lost.

CREATE TABLE second_factors (
    user_id UUID PRIMARY KEY REFERENCES users (id),
    -- Sealed; absent if it was lost when a backup was restored: the factor is asked for all the same.
    sealed BYTEA,
    begun_at BIGINT NOT NULL,
    -- Since when it is asked for; absent as long as no code has shown that the device has the secret.
    confirmed_at BIGINT,
    -- The last step of time whose code was used.
    last_step BIGINT NOT NULL,
    -- When all guesses have come back that wrong codes took.
    guesses_back_at BIGINT NOT NULL
);

CREATE TABLE recovery_codes (
    user_id UUID NOT NULL REFERENCES users (id),
    digest BYTEA NOT NULL,
    used_at BIGINT,
    PRIMARY KEY (user_id, digest)
);

-- Exchanges at endpoints that have a successor, by day (UTC), way in and client; derived like all use of keys. Of a day on which a key has
-- many clients some stand together, without a name.
CREATE TABLE key_old_uses (
    key_id UUID NOT NULL,
    day BIGINT NOT NULL,
    way TEXT NOT NULL,
    address TEXT NOT NULL,
    user_agent TEXT NOT NULL,
    uses BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL,
    PRIMARY KEY (key_id, day, way, address, user_agent)
);
CREATE INDEX key_old_uses_age ON key_old_uses (day);
