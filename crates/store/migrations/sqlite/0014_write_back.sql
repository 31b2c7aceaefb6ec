-- How far this database was when another history began on it while nobody knows whether it had everything: what replicas know to come
-- behind it is written back. Nothing where no replica can know.
ALTER TABLE revision ADD COLUMN forked_history INTEGER;
ALTER TABLE revision ADD COLUMN forked_n INTEGER;
-- Whether an instance was there before that, and has not said yet what it knows.
ALTER TABLE replicas ADD COLUMN owes INTEGER NOT NULL DEFAULT 0;
