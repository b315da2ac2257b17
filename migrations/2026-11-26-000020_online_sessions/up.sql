-- The sessions that webhooks were told are online on a channel: whoever is in here when a server starts went with the
-- process before, and webhooks are told so. No reference to the channel: its end does not end what was said of it.
CREATE TABLE online_sessions (
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    channel_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    token_id TEXT,
    PRIMARY KEY (project_id, channel_id, session_id)
) WITHOUT ROWID;
