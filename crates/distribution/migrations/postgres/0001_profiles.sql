CREATE TABLE profiles (
  id UUID NOT NULL PRIMARY KEY,
  organization_id UUID NOT NULL,
  name TEXT NOT NULL,
  -- The name in lower case, folded outside of the database so that both engines find the same.
  name_folded TEXT NOT NULL,
  pinned BIGINT NOT NULL CHECK (pinned IN (0, 1)),
  authentication_type BIGINT NOT NULL CHECK (authentication_type BETWEEN 1 AND 5),
  username TEXT,
  password_hash TEXT,
  auto_send_enabled BIGINT NOT NULL CHECK (auto_send_enabled IN (0, 1)),
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  CONSTRAINT profiles_organization_name UNIQUE (organization_id, name)
);

CREATE INDEX profiles_by_creation ON profiles (organization_id, created_at, id);

CREATE TABLE profile_testing_groups (
  profile_id UUID NOT NULL REFERENCES profiles (id) ON DELETE CASCADE,
  position BIGINT NOT NULL,
  testing_group_id UUID NOT NULL,
  PRIMARY KEY (profile_id, position)
);
