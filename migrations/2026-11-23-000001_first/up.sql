-- The first tables. Times are milliseconds since the Unix epoch, UTC; JSON is kept as the text that was sent, so that
-- no number is rounded and no key moves. For PostgreSQL, BLOB becomes BYTEA and id columns get COLLATE "C", so that
-- both databases sort them byte by byte.

CREATE TABLE projects (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    namespace TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL
);

-- Of a secret only its SHA-256 is kept.
CREATE TABLE project_tokens (
    id TEXT NOT NULL PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    secret_hash BLOB NOT NULL UNIQUE,
    permissions BIGINT NOT NULL,
    hint TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE INDEX project_tokens_by_age ON project_tokens (project_id, created_at, id);

CREATE TABLE admin_tokens (
    secret_hash BLOB NOT NULL PRIMARY KEY,
    created_at BIGINT NOT NULL
);

-- The state stands last: it may be large, and what stands before it is read without walking through it.
CREATE TABLE channels (
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    id TEXT NOT NULL,
    type TEXT NOT NULL,
    capabilities BIGINT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    state TEXT NOT NULL,
    PRIMARY KEY (project_id, id)
);

CREATE INDEX channels_by_age ON channels (project_id, created_at, id);

-- A connection without a token names a channel without its project.
CREATE INDEX channels_by_id ON channels (id);

-- The second key is what lets a subscription prove that its token and its channel are of one project.
CREATE TABLE tokens (
    id TEXT NOT NULL PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    expires_at BIGINT,
    created_at BIGINT NOT NULL,
    state TEXT NOT NULL,
    UNIQUE (project_id, id)
);

CREATE INDEX tokens_by_age ON tokens (project_id, created_at, id);

CREATE TABLE subscriptions (
    project_id TEXT NOT NULL,
    channel_id TEXT NOT NULL,
    token_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (project_id, channel_id, token_id),
    FOREIGN KEY (project_id, channel_id) REFERENCES channels (project_id, id) ON DELETE CASCADE,
    FOREIGN KEY (project_id, token_id) REFERENCES tokens (project_id, id) ON DELETE CASCADE
);

-- Both columns of the foreign key stand in front, or deleting a token would search its whole project.
CREATE INDEX subscriptions_by_token ON subscriptions (token_id, project_id);

-- The events are a JSON array of names.
CREATE TABLE webhooks (
    id TEXT NOT NULL PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    url TEXT NOT NULL,
    events TEXT NOT NULL,
    secret TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE INDEX webhooks_by_age ON webhooks (project_id, created_at, id);
