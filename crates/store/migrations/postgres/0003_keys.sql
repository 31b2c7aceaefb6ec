-- A key that is protected is not revoked over HTTP until the protection is taken off.
ALTER TABLE keys ADD COLUMN protected_at BIGINT;
