-- Webhooks: where an organization has its events sent. Address and secret are sealed together.
CREATE TABLE webhooks (
    id BLOB PRIMARY KEY,
    organization_id BLOB NOT NULL REFERENCES organizations (id),
    root_id BLOB NOT NULL REFERENCES organizations (id),
    name TEXT NOT NULL,
    sealed BLOB NOT NULL,
    -- `Module|Event` names with a space between them; empty for all.
    actions TEXT NOT NULL,
    -- Since when it hears of sub-organizations too.
    tree_since INTEGER,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    suspended_at INTEGER,
    -- Why, if nobody did it.
    suspended_for TEXT NOT NULL,
    -- Since when every attempt has failed.
    failing_since INTEGER,
    deleted_at INTEGER
) STRICT;
CREATE INDEX webhooks_organization ON webhooks (organization_id) WHERE deleted_at IS NULL;
CREATE INDEX webhooks_root ON webhooks (root_id) WHERE deleted_at IS NULL;
CREATE INDEX webhooks_deleted ON webhooks (deleted_at) WHERE deleted_at IS NOT NULL;

-- What is sent to them, and what became of it. It waits as long as it was neither delivered nor given up.
CREATE TABLE webhook_deliveries (
    id BLOB PRIMARY KEY,
    webhook_id BLOB NOT NULL REFERENCES webhooks (id),
    root_id BLOB NOT NULL,
    action TEXT NOT NULL,
    body TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    next_attempt_at INTEGER NOT NULL,
    attempted_at INTEGER,
    delivered_at INTEGER,
    failed_at INTEGER,
    -- Of the last answer.
    status INTEGER,
    failure TEXT NOT NULL
) STRICT;
CREATE INDEX webhook_deliveries_waiting ON webhook_deliveries (next_attempt_at, webhook_id) WHERE delivered_at IS NULL AND failed_at IS NULL;
CREATE INDEX webhook_deliveries_of_webhook ON webhook_deliveries (webhook_id, revision, id);
CREATE INDEX webhook_deliveries_waiting_of_webhook ON webhook_deliveries (webhook_id, next_attempt_at)
    WHERE delivered_at IS NULL AND failed_at IS NULL;
CREATE INDEX webhook_deliveries_created_at ON webhook_deliveries (created_at);
