-- Sign-in of people, and what organizations may do with their keys.

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

-- A key that is protected is not revoked over HTTP until the protection is taken off.
ALTER TABLE keys ADD COLUMN protected_at INTEGER;

-- What an operator key may do, words with spaces between.
ALTER TABLE keys ADD COLUMN operator_scopes TEXT CHECK ((kind = 'op') = (operator_scopes IS NOT NULL));

-- What a root and its sub-organizations may have together; NULL for the installation's setting.
ALTER TABLE organizations ADD COLUMN limit_api_keys INTEGER;
ALTER TABLE organizations ADD COLUMN limit_members INTEGER;
ALTER TABLE organizations ADD COLUMN limit_sub_organizations INTEGER;
