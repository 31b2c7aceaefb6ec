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
