-- Who is invited, and mail that waits to be sent.

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
    revision BIGINT NOT NULL,
    sent_at BIGINT
);
