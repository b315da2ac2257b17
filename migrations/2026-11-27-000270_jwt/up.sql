-- The keys under which a project takes JSON Web Tokens. `material` is a secret, a public key in PEM or the address of a
-- key set, as `kind` says; `algorithm` is there for the first two.
CREATE TABLE jwt_keys (
    id TEXT NOT NULL PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    kid TEXT,
    kind TEXT NOT NULL,
    algorithm TEXT,
    material TEXT NOT NULL,
    issuer TEXT,
    audience TEXT,
    created_at BIGINT NOT NULL
);

CREATE INDEX jwt_keys_by_project ON jwt_keys (project_id, created_at, id);

-- The subjects of which no token counts that was issued until `revoked_at`.
CREATE TABLE jwt_revocations (
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    subject TEXT NOT NULL,
    revoked_at BIGINT NOT NULL,
    PRIMARY KEY (project_id, subject)
);
