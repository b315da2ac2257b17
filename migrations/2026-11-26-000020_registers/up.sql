-- The sessions that stand in a register of a channel as far as webhooks were told: who is online, who holds an ephemeral
-- subscription. Whoever is in here when a server starts went with the process before, and webhooks are told so. No
-- reference to the channel: its end does not end what was said of it.
CREATE TABLE registers (
    project_id TEXT NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    channel_id TEXT NOT NULL,
    register TEXT NOT NULL,
    session_id TEXT NOT NULL,
    token_id TEXT,
    PRIMARY KEY (project_id, channel_id, register, session_id)
) WITHOUT ROWID;
