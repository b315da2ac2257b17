CREATE TABLE bare_admin_tokens (
    secret_hash BLOB NOT NULL PRIMARY KEY,
    created_at BIGINT NOT NULL
);

INSERT INTO bare_admin_tokens SELECT secret_hash, created_at FROM admin_tokens;

DROP TABLE admin_tokens;

ALTER TABLE bare_admin_tokens RENAME TO admin_tokens;
