CREATE TABLE profiles (
  id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
  organization_id BLOB NOT NULL CHECK (length(organization_id) = 16),
  name TEXT NOT NULL,
  -- The name in lower case, folded outside of the database so that both engines find the same.
  name_folded TEXT NOT NULL,
  pinned INTEGER NOT NULL CHECK (pinned IN (0, 1)),
  authentication_type INTEGER NOT NULL CHECK (authentication_type BETWEEN 1 AND 5),
  username TEXT,
  password_hash TEXT,
  auto_send_enabled INTEGER NOT NULL CHECK (auto_send_enabled IN (0, 1)),
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  CONSTRAINT profiles_organization_name UNIQUE (organization_id, name)
) STRICT;

CREATE INDEX profiles_by_creation ON profiles (organization_id, created_at, id);

CREATE TABLE profile_testing_groups (
  profile_id BLOB NOT NULL REFERENCES profiles (id) ON DELETE CASCADE,
  position INTEGER NOT NULL,
  testing_group_id BLOB NOT NULL CHECK (length(testing_group_id) = 16),
  PRIMARY KEY (profile_id, position)
) STRICT, WITHOUT ROWID;
