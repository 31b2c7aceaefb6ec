-- When a verifier first came: what was taken back before is in the lists that it began with. Not known of those that were there already.
ALTER TABLE verifiers ADD COLUMN came_at BIGINT;
