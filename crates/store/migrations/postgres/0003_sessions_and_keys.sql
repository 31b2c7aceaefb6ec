-- Sign-in of people, and what organizations may do with their keys.

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

-- A key that is protected is not revoked over HTTP until the protection is taken off.
ALTER TABLE keys ADD COLUMN protected_at BIGINT;

-- What an organization demands of its keys, and of those of its sub-organizations. Addresses with spaces between; empty for all.
ALTER TABLE organizations ADD COLUMN longest_key_life BIGINT;
ALTER TABLE organizations ADD COLUMN allowed_addresses TEXT NOT NULL DEFAULT '';
ALTER TABLE organizations ADD COLUMN personal_keys_off_at BIGINT;
ALTER TABLE organizations ADD COLUMN members_by_keys_off_at BIGINT;

-- What was made through a token of a key, so that it can be taken back with the key. The subject is the invitation, the
-- membership or the organization.
CREATE TABLE brought_in (
    key_id UUID NOT NULL REFERENCES keys (id),
    kind TEXT NOT NULL CHECK (kind IN ('invitation', 'member', 'role', 'organization')),
    subject UUID NOT NULL,
    role TEXT NOT NULL,
    organization_id UUID NOT NULL REFERENCES organizations (id),
    at BIGINT NOT NULL,
    PRIMARY KEY (key_id, kind, subject, role)
);
CREATE INDEX brought_in_subject ON brought_in (kind, subject);

-- Requests that came with an Idempotency-Key and changed something, for a day. The answer is kept without any secret.
CREATE TABLE idempotency_keys (
    actor TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint BYTEA NOT NULL,
    history BIGINT NOT NULL,
    n BIGINT NOT NULL,
    answer TEXT,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (actor, key)
);
CREATE INDEX idempotency_keys_expires_at ON idempotency_keys (expires_at);

-- Lists of keys and of members are cut in these, in the order in which they are shown.
CREATE INDEX keys_listed ON keys (organization_id, kind, created_at, id);
CREATE INDEX memberships_listed ON memberships (organization_id, created_at, id, user_id) WHERE ended_at IS NULL;

-- What an operator key may do, words with spaces between.
ALTER TABLE keys ADD COLUMN operator_scopes TEXT CHECK ((kind = 'op') = (operator_scopes IS NOT NULL));

-- What a root and its sub-organizations may have together; NULL for the installation's setting.
ALTER TABLE organizations ADD COLUMN limit_api_keys BIGINT;
ALTER TABLE organizations ADD COLUMN limit_members BIGINT;
ALTER TABLE organizations ADD COLUMN limit_sub_organizations BIGINT;

-- Accesses are many: those of one batch in one organization are one row, a JSON array of events. Ids are in the order of time, and a
-- row has the id of its first event.
DROP TABLE log_access;
CREATE TABLE log_access (
    id UUID PRIMARY KEY,
    root_id UUID NOT NULL,
    sequence BIGINT NOT NULL,
    organization_id UUID NOT NULL,
    events TEXT NOT NULL,
    FOREIGN KEY (root_id, sequence) REFERENCES log_links (root_id, sequence)
);
CREATE INDEX log_access_link ON log_access (root_id, sequence);
CREATE INDEX log_access_organization ON log_access (organization_id, id);
