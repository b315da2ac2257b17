-- The list of projects is read in pieces, by age; each piece begins in the index where the last one ended.
CREATE INDEX projects_by_age ON projects (created_at, id);
