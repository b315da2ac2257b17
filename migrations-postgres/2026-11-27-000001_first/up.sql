-- The tables, as they are in `migrations` after the last one there; what each is for is said there. What differs: BYTEA, triggers
-- by statement, and COLLATE "C" on all that is a key or gives an order, so that both databases sort byte by byte.

CREATE TABLE projects (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    namespace TEXT COLLATE "C" NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    allowed_origins TEXT
);

CREATE INDEX projects_by_age ON projects (created_at, id);

CREATE TABLE project_tokens (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    project_id TEXT COLLATE "C" NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    secret_hash BYTEA NOT NULL UNIQUE,
    permissions BIGINT NOT NULL,
    hint TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE INDEX project_tokens_by_age ON project_tokens (project_id, created_at, id);

CREATE TABLE admin_tokens (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name TEXT,
    secret_hash BYTEA NOT NULL UNIQUE,
    hint TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE channels (
    project_id TEXT COLLATE "C" NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    id TEXT COLLATE "C" NOT NULL,
    type TEXT NOT NULL,
    capabilities BIGINT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    state TEXT NOT NULL,
    PRIMARY KEY (project_id, id)
);

CREATE INDEX channels_by_age ON channels (project_id, created_at, id);

CREATE INDEX channels_by_id ON channels (id, project_id);

CREATE TABLE seen_channels (
    project_id TEXT COLLATE "C" NOT NULL,
    channel_id TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (project_id, channel_id),
    FOREIGN KEY (project_id, channel_id) REFERENCES channels (project_id, id) ON DELETE CASCADE
);

CREATE TABLE tokens (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    project_id TEXT COLLATE "C" NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    expires_at BIGINT,
    created_at BIGINT NOT NULL,
    state TEXT NOT NULL,
    UNIQUE (project_id, id)
);

CREATE INDEX tokens_by_age ON tokens (project_id, created_at, id);

CREATE TABLE subscriptions (
    project_id TEXT COLLATE "C" NOT NULL,
    channel_id TEXT COLLATE "C" NOT NULL,
    token_id TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (project_id, channel_id, token_id),
    FOREIGN KEY (project_id, channel_id) REFERENCES channels (project_id, id) ON DELETE CASCADE,
    FOREIGN KEY (project_id, token_id) REFERENCES tokens (project_id, id) ON DELETE CASCADE
);

CREATE INDEX subscriptions_by_token ON subscriptions (token_id, project_id);

CREATE INDEX subscriptions_by_age ON subscriptions (project_id, channel_id, created_at, token_id);

CREATE TABLE registers (
    project_id TEXT COLLATE "C" NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    channel_id TEXT COLLATE "C" NOT NULL,
    register TEXT COLLATE "C" NOT NULL,
    session_id TEXT COLLATE "C" NOT NULL,
    token_id TEXT COLLATE "C",
    PRIMARY KEY (project_id, channel_id, register, session_id)
);

CREATE TABLE unheard (
    token_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    missed BIGINT
);

CREATE TABLE webhooks (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    project_id TEXT COLLATE "C" NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    url TEXT NOT NULL,
    events TEXT NOT NULL,
    secret TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    previous_secret TEXT,
    previous_secret_until BIGINT,
    disabled_at BIGINT
);

CREATE INDEX webhooks_by_age ON webhooks (project_id, created_at, id);

CREATE TABLE authorizers (
    project_id TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES projects (id) ON DELETE CASCADE,
    url TEXT NOT NULL,
    secret TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE event_sequences (
    project_id TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES projects (id) ON DELETE CASCADE,
    last_seq BIGINT NOT NULL
);

CREATE TABLE event_bodies (
    event_id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    body TEXT NOT NULL
);

CREATE TABLE deliveries (
    webhook_id TEXT COLLATE "C" NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    event_id TEXT COLLATE "C" NOT NULL REFERENCES event_bodies (event_id),
    project_id TEXT COLLATE "C" NOT NULL,
    seq BIGINT NOT NULL,
    event TEXT NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    is_retry BIGINT NOT NULL,
    next_attempt_at BIGINT NOT NULL,
    gives_up_at BIGINT NOT NULL,
    last_status BIGINT,
    last_error TEXT,
    delivered_at BIGINT,
    PRIMARY KEY (event_id, webhook_id)
);

CREATE INDEX deliveries_by_webhook ON deliveries (webhook_id, state, is_retry, next_attempt_at, seq);

CREATE INDEX deliveries_by_time ON deliveries (state, next_attempt_at);

CREATE INDEX deliveries_by_seq ON deliveries (webhook_id, seq);

-- The last delivery of an event takes the body along.
CREATE FUNCTION last_delivery_takes_the_body() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM event_bodies USING (SELECT DISTINCT event_id FROM gone) AS told
    WHERE event_bodies.event_id = told.event_id
        AND NOT EXISTS (SELECT 1 FROM deliveries WHERE deliveries.event_id = told.event_id);
    RETURN NULL;
END
$$;

CREATE TRIGGER last_delivery_takes_the_body AFTER DELETE ON deliveries
REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION last_delivery_takes_the_body();

CREATE TABLE answers (
    scope TEXT COLLATE "C" NOT NULL,
    number BIGINT NOT NULL,
    key_digest BYTEA NOT NULL,
    asked BYTEA NOT NULL,
    permissions BIGINT NOT NULL,
    answered_at BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    bytes_before BIGINT NOT NULL,
    status BIGINT NOT NULL,
    headers TEXT NOT NULL,
    body BYTEA NOT NULL,
    PRIMARY KEY (scope, number)
);

CREATE UNIQUE INDEX answers_by_key ON answers (scope, key_digest);

CREATE TABLE lines (
    epoch BIGINT NOT NULL PRIMARY KEY,
    project_id TEXT COLLATE "C",
    channel_id TEXT COLLATE "C",
    last_offset BIGINT NOT NULL,
    last_number BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    gone_offset BIGINT NOT NULL,
    gone_number BIGINT NOT NULL,
    gone_bytes BIGINT NOT NULL,
    trimmed_offset BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    max_messages BIGINT,
    max_seconds BIGINT
);

CREATE UNIQUE INDEX lines_by_channel ON lines (project_id, channel_id);

CREATE INDEX lines_by_due ON lines (due_at);

CREATE TABLE messages (
    epoch BIGINT NOT NULL,
    line_offset BIGINT NOT NULL,
    number BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    bytes_before BIGINT NOT NULL,
    published_at BIGINT NOT NULL,
    sender TEXT,
    event TEXT NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (epoch, line_offset)
);

-- The numbers of logs; some are left out, which means nothing.
CREATE SEQUENCE state_log_ids;

CREATE TABLE state_logs (
    id BIGINT NOT NULL PRIMARY KEY,
    project_id TEXT COLLATE "C",
    channel_id TEXT COLLATE "C",
    last_version BIGINT NOT NULL,
    patches BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    gone_version BIGINT NOT NULL,
    gone_bytes BIGINT NOT NULL,
    due_at BIGINT NOT NULL
);

CREATE UNIQUE INDEX state_logs_by_channel ON state_logs (project_id, channel_id);

CREATE INDEX state_logs_by_due ON state_logs (due_at);

CREATE TABLE state_versions (
    log_id BIGINT NOT NULL,
    version BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    state_bytes BIGINT NOT NULL,
    stored BIGINT NOT NULL,
    stored_before BIGINT NOT NULL,
    author TEXT,
    patch TEXT,
    state TEXT,
    PRIMARY KEY (log_id, version)
);

-- Channels go in several ways, with their project too. None waits until a thousand messages or versions are deleted.
CREATE FUNCTION channels_leave_their_lines() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE lines SET project_id = NULL, channel_id = NULL, due_at = 0 FROM gone
    WHERE lines.project_id = gone.project_id AND lines.channel_id = gone.id;
    UPDATE state_logs SET project_id = NULL, channel_id = NULL, due_at = 0 FROM gone
    WHERE state_logs.project_id = gone.project_id AND state_logs.channel_id = gone.id;
    RETURN NULL;
END
$$;

CREATE TRIGGER channels_leave_their_lines AFTER DELETE ON channels
REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION channels_leave_their_lines();

CREATE TABLE mailboxes (
    epoch BIGINT NOT NULL PRIMARY KEY,
    project_id TEXT COLLATE "C" NOT NULL,
    token_id TEXT COLLATE "C",
    last_number BIGINT NOT NULL,
    messages BIGINT NOT NULL,
    bytes BIGINT NOT NULL
);

CREATE UNIQUE INDEX mailboxes_by_token ON mailboxes (token_id);

CREATE INDEX mailboxes_by_project ON mailboxes (project_id);

CREATE TABLE mails (
    epoch BIGINT NOT NULL,
    state BIGINT NOT NULL,
    number BIGINT NOT NULL,
    since BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    event TEXT NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (epoch, state, number)
);

CREATE INDEX mails_by_due ON mails (due_at);

CREATE TABLE jwt_keys (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    project_id TEXT COLLATE "C" NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    kid TEXT,
    kind TEXT NOT NULL,
    algorithm TEXT,
    material TEXT NOT NULL,
    issuer TEXT,
    audience TEXT,
    created_at BIGINT NOT NULL
);

CREATE INDEX jwt_keys_by_project ON jwt_keys (project_id, created_at, id);

CREATE TABLE jwt_revocations (
    project_id TEXT COLLATE "C" NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    subject TEXT COLLATE "C" NOT NULL,
    revoked_at BIGINT NOT NULL,
    PRIMARY KEY (project_id, subject)
);

-- What is written to find out whether commits succeed again.
CREATE TABLE store_probes (
    number BIGINT NOT NULL PRIMARY KEY,
    times BIGINT NOT NULL
);
