-- From which pages a project's sockets may be opened: a JSON list of origins; null for any.
ALTER TABLE projects ADD COLUMN allowed_origins TEXT;
