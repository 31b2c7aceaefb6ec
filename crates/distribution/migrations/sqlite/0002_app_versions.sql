CREATE TABLE testing_groups (
  id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
  organization_id BLOB NOT NULL CHECK (length(organization_id) = 16),
  name TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  CONSTRAINT testing_groups_organization_name UNIQUE (organization_id, name)
) STRICT;

CREATE INDEX testing_groups_by_creation ON testing_groups (organization_id, created_at, id);

CREATE TABLE testers (
  testing_group_id BLOB NOT NULL REFERENCES testing_groups (id) ON DELETE CASCADE CHECK (length(testing_group_id) = 16),
  email TEXT NOT NULL,
  added_at INTEGER NOT NULL,
  PRIMARY KEY (testing_group_id, email)
) STRICT;

-- Until here there were no groups, and whatever profiles named was none.
DROP TABLE profile_testing_groups;

CREATE TABLE profile_testing_groups (
  profile_id BLOB NOT NULL REFERENCES profiles (id) ON DELETE CASCADE CHECK (length(profile_id) = 16),
  position INTEGER NOT NULL,
  testing_group_id BLOB NOT NULL REFERENCES testing_groups (id) ON DELETE CASCADE CHECK (length(testing_group_id) = 16),
  PRIMARY KEY (profile_id, position)
) STRICT;

CREATE INDEX profile_testing_groups_by_group ON profile_testing_groups (testing_group_id);

-- Files that may be in the folder and belong to no other row: being received, or to be removed.
CREATE TABLE loose_files (
  id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
  organization_id BLOB NOT NULL CHECK (length(organization_id) = 16),
  -- The reservation it is received for, if it is one of three steps.
  upload_id BLOB CHECK (length(upload_id) = 16),
  noted_at INTEGER NOT NULL,
  -- Since when it is to be removed; until then it may still be claimed.
  doomed_at INTEGER
) STRICT;

CREATE INDEX loose_files_by_organization ON loose_files (organization_id);

CREATE TABLE uploads (
  id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
  organization_id BLOB NOT NULL CHECK (length(organization_id) = 16),
  profile_id BLOB NOT NULL REFERENCES profiles (id) ON DELETE CASCADE CHECK (length(profile_id) = 16),
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  file_name TEXT NOT NULL,
  size INTEGER NOT NULL,
  -- The caller's token, sealed under the number in the URL.
  sealed_token BLOB NOT NULL,
  -- Of the file, once it is there.
  file_id BLOB CHECK (length(file_id) = 16),
  sha256 BLOB
) STRICT;

CREATE INDEX uploads_by_organization ON uploads (organization_id, expires_at);
CREATE INDEX uploads_by_profile ON uploads (profile_id);
CREATE INDEX uploads_by_end ON uploads (expires_at);

CREATE TABLE app_versions (
  id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
  organization_id BLOB NOT NULL CHECK (length(organization_id) = 16),
  profile_id BLOB NOT NULL REFERENCES profiles (id) ON DELETE CASCADE CHECK (length(profile_id) = 16),
  file_id BLOB NOT NULL UNIQUE CHECK (length(file_id) = 16),
  file_name TEXT NOT NULL,
  -- As the name says.
  platform TEXT CHECK (platform IN ('ios', 'android')),
  version TEXT,
  size INTEGER NOT NULL,
  sha256 BLOB NOT NULL,
  message TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
) STRICT;

CREATE INDEX app_versions_by_creation ON app_versions (profile_id, created_at, id);

CREATE TABLE tasks (
  id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 16),
  organization_id BLOB NOT NULL CHECK (length(organization_id) = 16),
  -- 1 begun, 2 failed, 3 completed.
  state INTEGER NOT NULL CHECK (state BETWEEN 1 AND 3),
  created_at INTEGER NOT NULL
) STRICT;

CREATE INDEX tasks_by_creation ON tasks (created_at);

-- Of the newest app version of each platform, as its file's name tells it.
ALTER TABLE profiles ADD COLUMN ios_version TEXT;
ALTER TABLE profiles ADD COLUMN android_version TEXT;
