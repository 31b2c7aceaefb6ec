-- Times are milliseconds since the epoch, ids UUIDs. "Is it so?" is always "since when?": a NULL time means no.

-- The number of the last change. Its row is raised by the first statement of every changing transaction.
CREATE TABLE revision (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    history BIGINT NOT NULL,
    n BIGINT NOT NULL
);
INSERT INTO revision (id, history, n) VALUES (1, 1, 0);

-- What every change means for those who remember: what to forget, which status bits to set (indices with spaces between).
CREATE TABLE changes (
    history BIGINT NOT NULL,
    n BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    kind TEXT NOT NULL,
    subject UUID NOT NULL,
    bits TEXT NOT NULL,
    PRIMARY KEY (history, n, ordinal)
);

-- The installation's own facts, such as its issuer.
CREATE TABLE settings (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE organizations (
    id UUID PRIMARY KEY,
    root_id UUID NOT NULL REFERENCES organizations (id),
    name TEXT NOT NULL,
    external_id TEXT,
    metadata TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    suspended_at BIGINT,
    deleted_at BIGINT
);
CREATE UNIQUE INDEX organizations_sibling_name ON organizations (root_id, name) WHERE root_id <> id AND deleted_at IS NULL;
CREATE UNIQUE INDEX organizations_external_id ON organizations (external_id) WHERE external_id IS NOT NULL;

CREATE TABLE users (
    id UUID PRIMARY KEY,
    email TEXT NOT NULL,
    name TEXT NOT NULL,
    password_hash TEXT,
    one_time_since BIGINT,
    created_at BIGINT NOT NULL,
    disabled_at BIGINT,
    deleted_at BIGINT
);
CREATE UNIQUE INDEX users_email ON users (email) WHERE deleted_at IS NULL;

-- Direct memberships. Whoever leaves and comes back gets another row: the keys of the first stay dead.
CREATE TABLE memberships (
    id UUID PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organizations (id),
    user_id UUID NOT NULL REFERENCES users (id),
    created_at BIGINT NOT NULL,
    ended_at BIGINT
);
CREATE UNIQUE INDEX memberships_live ON memberships (organization_id, user_id) WHERE ended_at IS NULL;
CREATE INDEX memberships_user ON memberships (user_id);

CREATE TABLE membership_roles (
    membership_id UUID NOT NULL REFERENCES memberships (id),
    role TEXT NOT NULL,
    PRIMARY KEY (membership_id, role)
);

-- Personal Access Keys (kind pak, with a membership), API Keys (api), operator keys (op, without an organization).
CREATE TABLE keys (
    id UUID PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('pak', 'api', 'op')),
    organization_id UUID REFERENCES organizations (id),
    membership_id UUID REFERENCES memberships (id),
    name TEXT NOT NULL,
    email TEXT,
    description TEXT NOT NULL,
    metadata TEXT NOT NULL,
    allowed_addresses TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    not_before BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    suspended_at BIGINT,
    revoked_at BIGINT,
    CHECK ((kind = 'op') = (organization_id IS NULL)),
    CHECK ((kind = 'pak') = (membership_id IS NOT NULL))
);
CREATE UNIQUE INDEX keys_api_name ON keys (organization_id, name) WHERE kind = 'api' AND revoked_at IS NULL;
CREATE INDEX keys_organization ON keys (organization_id, created_at);
CREATE INDEX keys_membership ON keys (membership_id) WHERE membership_id IS NOT NULL;

-- Every name that a key has had.
CREATE TABLE key_names (
    key_id UUID NOT NULL REFERENCES keys (id),
    name TEXT NOT NULL,
    PRIMARY KEY (key_id, name)
);

-- What an API Key may do, where.
CREATE TABLE key_roles (
    key_id UUID NOT NULL REFERENCES keys (id),
    organization_id UUID NOT NULL REFERENCES organizations (id),
    role TEXT NOT NULL,
    PRIMARY KEY (key_id, organization_id, role)
);

-- The digest of each secret, and a tag that binds it to its key, organization and times.
CREATE TABLE secret_versions (
    key_id UUID NOT NULL REFERENCES keys (id),
    version BIGINT NOT NULL,
    digest BYTEA NOT NULL UNIQUE,
    tag BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    ends_at BIGINT,
    ended_at BIGINT,
    PRIMARY KEY (key_id, version)
);

-- What a token points at in the status list. An index is never used again.
CREATE TABLE generations (
    status_index BIGINT PRIMARY KEY,
    key_id UUID NOT NULL,
    version BIGINT NOT NULL,
    organization_id UUID NOT NULL REFERENCES organizations (id),
    opened_at BIGINT NOT NULL,
    ended_at BIGINT,
    FOREIGN KEY (key_id, version) REFERENCES secret_versions (key_id, version)
);
CREATE UNIQUE INDEX generations_open ON generations (key_id, version, organization_id) WHERE ended_at IS NULL;
CREATE INDEX generations_organization ON generations (organization_id) WHERE ended_at IS NULL;

CREATE TABLE status_indices (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    next BIGINT NOT NULL
);
INSERT INTO status_indices (id, next) VALUES (1, 0);

-- Private keys are sealed under the key-encryption key, which is not in the database.
CREATE TABLE signing_keys (
    kid TEXT PRIMARY KEY,
    purpose TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    public_jwk TEXT NOT NULL,
    sealed_private BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    retired_at BIGINT,
    revoked_at BIGINT
);
CREATE UNIQUE INDEX signing_keys_active ON signing_keys (purpose) WHERE retired_at IS NULL AND revoked_at IS NULL;

-- Every catalog that was ever in force; the one with the highest position is.
CREATE TABLE catalogs (
    history BIGINT NOT NULL,
    n BIGINT NOT NULL,
    document TEXT NOT NULL,
    applied_at BIGINT NOT NULL,
    PRIMARY KEY (history, n)
);

-- One hash chain per root. A link is one change, one batch of access events, a gap or a pruned stub.
CREATE TABLE log_links (
    root_id UUID NOT NULL,
    sequence BIGINT NOT NULL,
    kind TEXT NOT NULL,
    at BIGINT NOT NULL,
    previous BYTEA NOT NULL,
    hash BYTEA NOT NULL,
    PRIMARY KEY (root_id, sequence)
);

CREATE TABLE log_changes (
    id UUID PRIMARY KEY,
    root_id UUID NOT NULL,
    sequence BIGINT NOT NULL,
    at BIGINT NOT NULL,
    organization_id UUID NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id UUID,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT NOT NULL,
    address TEXT NOT NULL,
    user_agent TEXT NOT NULL,
    request_id UUID NOT NULL,
    revision BIGINT NOT NULL,
    FOREIGN KEY (root_id, sequence) REFERENCES log_links (root_id, sequence)
);
CREATE INDEX log_changes_organization ON log_changes (organization_id, at);

CREATE TABLE log_access (
    id UUID PRIMARY KEY,
    root_id UUID NOT NULL,
    sequence BIGINT NOT NULL,
    at BIGINT NOT NULL,
    organization_id UUID NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id UUID,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT NOT NULL,
    address TEXT NOT NULL,
    user_agent TEXT NOT NULL,
    request_id UUID NOT NULL,
    revision BIGINT NOT NULL,
    FOREIGN KEY (root_id, sequence) REFERENCES log_links (root_id, sequence)
);
CREATE INDEX log_access_organization ON log_access (organization_id, at);
