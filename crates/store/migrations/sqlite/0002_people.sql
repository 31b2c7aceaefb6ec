-- Who is invited, and mail that waits to be sent.

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
    revision INTEGER NOT NULL,
    sent_at INTEGER
) STRICT;
