-- How many readings of an exam are stored.
ALTER TABLE exam ADD COLUMN measured BIGINT NOT NULL DEFAULT 0;
