-- API Keys of the operator organization that ask about every token and key of the installation.
ALTER TABLE keys ADD COLUMN introspects_at INTEGER;
