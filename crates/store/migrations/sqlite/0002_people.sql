-- People who sign in, who is invited, and what came in by a key.

-- The token of a session is stored as a digest, like a key's secret.
CREATE TABLE sessions (
    id BLOB PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    user_id BLOB NOT NULL REFERENCES users (id),
    organization_id BLOB REFERENCES organizations (id),
    created_at INTEGER NOT NULL,
    confirmed_at INTEGER NOT NULL,
    used_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    ended_at INTEGER,
    address TEXT NOT NULL,
    user_agent TEXT NOT NULL
) STRICT;
CREATE INDEX sessions_user ON sessions (user_id, created_at) WHERE ended_at IS NULL;

-- A link to choose a new password works once, and not for long.
CREATE TABLE password_resets (
    id BLOB PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    user_id BLOB NOT NULL REFERENCES users (id),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at INTEGER,
    ended_at INTEGER
) STRICT;
CREATE INDEX password_resets_user ON password_resets (user_id, created_at);

-- An invitation is to one root: to it, to sub-organizations of it, or both.
CREATE TABLE invitations (
    id BLOB PRIMARY KEY,
    root_id BLOB NOT NULL REFERENCES organizations (id),
    email TEXT NOT NULL,
    digest BLOB NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    accepted_at INTEGER,
    revoked_at INTEGER
) STRICT;
CREATE UNIQUE INDEX invitations_pending ON invitations (root_id, email) WHERE accepted_at IS NULL AND revoked_at IS NULL;

CREATE TABLE invitation_roles (
    invitation_id BLOB NOT NULL REFERENCES invitations (id),
    organization_id BLOB NOT NULL REFERENCES organizations (id),
    role TEXT NOT NULL,
    PRIMARY KEY (invitation_id, organization_id, role)
) STRICT;

-- Mail to be sent; sealed, since links in it are secrets.
CREATE TABLE outbox (
    id BLOB PRIMARY KEY,
    kind TEXT NOT NULL,
    recipient TEXT NOT NULL,
    sealed BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    sent_at INTEGER
) STRICT;

-- What was made through a token of a key, so that it can be taken back with the key.
CREATE TABLE brought_in (
    key_id BLOB NOT NULL REFERENCES keys (id),
    kind TEXT NOT NULL,
    organization_id BLOB NOT NULL REFERENCES organizations (id),
    subject TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (key_id, kind, organization_id, subject)
) STRICT;
