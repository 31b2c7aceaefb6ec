-- What is known of the use of keys. It is derived from the events of access, in the transactions that write those. Nothing here
-- refers to other tables by a constraint: what is derived must never keep an event from being written.

-- Each secret version of a key by the way in: the endpoint, and how the field with the secret was spelled.
CREATE TABLE key_uses (
    key_id UUID NOT NULL,
    version BIGINT NOT NULL,
    way TEXT NOT NULL,
    issued BIGINT NOT NULL,
    refused BIGINT NOT NULL,
    first_used_at BIGINT,
    last_used_at BIGINT,
    address TEXT NOT NULL,
    user_agent TEXT NOT NULL,
    last_refused_at BIGINT,
    refused_address TEXT NOT NULL,
    refused_user_agent TEXT NOT NULL,
    refused_reason TEXT NOT NULL,
    PRIMARY KEY (key_id, version, way)
);

-- How often, in each hour and each day (UTC) in which anything happened.
CREATE TABLE key_use_counts (
    key_id UUID NOT NULL,
    period TEXT NOT NULL CHECK (period IN ('hour', 'day')),
    begins_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    issued BIGINT NOT NULL,
    refused BIGINT NOT NULL,
    PRIMARY KEY (key_id, period, begins_at, version)
);
CREATE INDEX key_use_counts_age ON key_use_counts (period, begins_at);

-- Networks that a key was used from: when it last was, to the hour, and since when it is known that this was news.
CREATE TABLE key_networks (
    key_id UUID NOT NULL,
    network TEXT NOT NULL,
    last_used_at BIGINT NOT NULL,
    news_at BIGINT,
    PRIMARY KEY (key_id, network)
);
CREATE INDEX key_networks_age ON key_networks (last_used_at);
