-- Webhooks: where an organization has its events sent. Address and secret are sealed together.
CREATE TABLE webhooks (
    id UUID PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organizations (id),
    root_id UUID NOT NULL REFERENCES organizations (id),
    name TEXT NOT NULL,
    sealed BYTEA NOT NULL,
    -- `Module|Event` names with a space between them; empty for all.
    actions TEXT NOT NULL,
    -- Since when it hears of sub-organizations too.
    tree_since BIGINT,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    suspended_at BIGINT,
    -- Why, if nobody did it.
    suspended_for TEXT NOT NULL,
    -- Since when every attempt has failed.
    failing_since BIGINT,
    deleted_at BIGINT
);
CREATE INDEX webhooks_organization ON webhooks (organization_id) WHERE deleted_at IS NULL;
CREATE INDEX webhooks_root ON webhooks (root_id) WHERE deleted_at IS NULL;
CREATE INDEX webhooks_deleted ON webhooks (deleted_at) WHERE deleted_at IS NOT NULL;

-- What is sent to them, and what became of it. It waits as long as it was neither delivered nor given up.
CREATE TABLE webhook_deliveries (
    id UUID PRIMARY KEY,
    webhook_id UUID NOT NULL REFERENCES webhooks (id),
    root_id UUID NOT NULL,
    action TEXT NOT NULL,
    body TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    next_attempt_at BIGINT NOT NULL,
    attempted_at BIGINT,
    delivered_at BIGINT,
    failed_at BIGINT,
    -- Of the last answer.
    status BIGINT,
    failure TEXT NOT NULL
);
CREATE INDEX webhook_deliveries_waiting ON webhook_deliveries (next_attempt_at, webhook_id) WHERE delivered_at IS NULL AND failed_at IS NULL;
CREATE INDEX webhook_deliveries_of_webhook ON webhook_deliveries (webhook_id, revision, id);
CREATE INDEX webhook_deliveries_waiting_of_webhook ON webhook_deliveries (webhook_id, next_attempt_at)
    WHERE delivered_at IS NULL AND failed_at IS NULL;
CREATE INDEX webhook_deliveries_created_at ON webhook_deliveries (created_at);
