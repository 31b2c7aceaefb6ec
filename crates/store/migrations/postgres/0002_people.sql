-- People who sign in, who is invited, and what came in by a key.

-- The token of a session is stored as a digest, like a key's secret.
CREATE TABLE sessions (
    id UUID PRIMARY KEY,
    digest BYTEA NOT NULL UNIQUE,
    user_id UUID NOT NULL REFERENCES users (id),
    organization_id UUID REFERENCES organizations (id),
    created_at BIGINT NOT NULL,
    confirmed_at BIGINT NOT NULL,
    used_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    ended_at BIGINT,
    address TEXT NOT NULL,
    user_agent TEXT NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id, created_at) WHERE ended_at IS NULL;

-- A link to choose a new password works once, and not for long.
CREATE TABLE password_resets (
    id UUID PRIMARY KEY,
    digest BYTEA NOT NULL UNIQUE,
    user_id UUID NOT NULL REFERENCES users (id),
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at BIGINT,
    ended_at BIGINT
);
CREATE INDEX password_resets_user ON password_resets (user_id, created_at);

-- An invitation is to one root: to it, to sub-organizations of it, or both.
CREATE TABLE invitations (
    id UUID PRIMARY KEY,
    root_id UUID NOT NULL REFERENCES organizations (id),
    email TEXT NOT NULL,
    digest BYTEA NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    accepted_at BIGINT,
    revoked_at BIGINT
);
CREATE UNIQUE INDEX invitations_pending ON invitations (root_id, email) WHERE accepted_at IS NULL AND revoked_at IS NULL;

CREATE TABLE invitation_roles (
    invitation_id UUID NOT NULL REFERENCES invitations (id),
    organization_id UUID NOT NULL REFERENCES organizations (id),
    role TEXT NOT NULL,
    PRIMARY KEY (invitation_id, organization_id, role)
);

-- Mail to be sent; sealed, since links in it are secrets.
CREATE TABLE outbox (
    id UUID PRIMARY KEY,
    kind TEXT NOT NULL,
    recipient TEXT NOT NULL,
    sealed BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    sent_at BIGINT
);

-- What was made through a token of a key, so that it can be taken back with the key.
CREATE TABLE brought_in (
    key_id UUID NOT NULL REFERENCES keys (id),
    kind TEXT NOT NULL,
    organization_id UUID NOT NULL REFERENCES organizations (id),
    subject TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (key_id, kind, organization_id, subject)
);
