CREATE TABLE testing_groups (
  id UUID NOT NULL PRIMARY KEY,
  organization_id UUID NOT NULL,
  name TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  CONSTRAINT testing_groups_organization_name UNIQUE (organization_id, name)
);

CREATE INDEX testing_groups_by_creation ON testing_groups (organization_id, created_at, id);

CREATE TABLE testers (
  testing_group_id UUID NOT NULL REFERENCES testing_groups (id) ON DELETE CASCADE,
  email TEXT NOT NULL,
  added_at BIGINT NOT NULL,
  PRIMARY KEY (testing_group_id, email)
);

-- Until here there were no groups, and whatever profiles named was none.
DROP TABLE profile_testing_groups;

CREATE TABLE profile_testing_groups (
  profile_id UUID NOT NULL REFERENCES profiles (id) ON DELETE CASCADE,
  position BIGINT NOT NULL,
  testing_group_id UUID NOT NULL REFERENCES testing_groups (id) ON DELETE CASCADE,
  PRIMARY KEY (profile_id, position)
);

CREATE INDEX profile_testing_groups_by_group ON profile_testing_groups (testing_group_id);

-- Files that may be in the folder and belong to no other row: being received, or to be removed.
CREATE TABLE loose_files (
  id UUID NOT NULL PRIMARY KEY,
  organization_id UUID NOT NULL,
  -- The reservation it is received for, if it is one of three steps.
  upload_id UUID,
  noted_at BIGINT NOT NULL,
  -- Since when it is to be removed; until then it may still be claimed.
  doomed_at BIGINT
);

CREATE INDEX loose_files_by_organization ON loose_files (organization_id);

CREATE TABLE uploads (
  id UUID NOT NULL PRIMARY KEY,
  organization_id UUID NOT NULL,
  profile_id UUID NOT NULL REFERENCES profiles (id) ON DELETE CASCADE,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  file_name TEXT NOT NULL,
  size BIGINT NOT NULL,
  -- The caller's token, sealed under the number in the URL.
  sealed_token BYTEA NOT NULL,
  -- Of the file, once it is there.
  file_id UUID,
  sha256 BYTEA
);

CREATE INDEX uploads_by_organization ON uploads (organization_id, expires_at);
CREATE INDEX uploads_by_profile ON uploads (profile_id);
CREATE INDEX uploads_by_end ON uploads (expires_at);

CREATE TABLE app_versions (
  id UUID NOT NULL PRIMARY KEY,
  organization_id UUID NOT NULL,
  profile_id UUID NOT NULL REFERENCES profiles (id) ON DELETE CASCADE,
  file_id UUID NOT NULL UNIQUE,
  file_name TEXT NOT NULL,
  -- As the name says.
  platform TEXT CHECK (platform IN ('ios', 'android')),
  version TEXT,
  size BIGINT NOT NULL,
  sha256 BYTEA NOT NULL,
  message TEXT,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);

CREATE INDEX app_versions_by_creation ON app_versions (profile_id, created_at, id);

CREATE TABLE tasks (
  id UUID NOT NULL PRIMARY KEY,
  organization_id UUID NOT NULL,
  -- 1 begun, 2 failed, 3 completed.
  state BIGINT NOT NULL CHECK (state BETWEEN 1 AND 3),
  created_at BIGINT NOT NULL
);

CREATE INDEX tasks_by_creation ON tasks (created_at);

-- Of the newest app version of each platform, as its file's name tells it.
ALTER TABLE profiles ADD COLUMN ios_version TEXT;
ALTER TABLE profiles ADD COLUMN android_version TEXT;
