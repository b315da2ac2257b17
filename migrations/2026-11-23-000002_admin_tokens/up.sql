-- Admin tokens get a handle, a name and a hint, so that they can be told apart, listed and deleted one by one. Tokens
-- that are there already get a handle made of their hash: of 128 random bits it gives nothing away.

CREATE TABLE named_admin_tokens (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT,
    secret_hash BLOB NOT NULL UNIQUE,
    hint TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

INSERT INTO named_admin_tokens
SELECT 'pat_id_' || lower(substr(hex(secret_hash), 1, 16)), NULL, secret_hash, 'pat_', created_at
FROM admin_tokens;

DROP TABLE admin_tokens;

ALTER TABLE named_admin_tokens RENAME TO admin_tokens;
