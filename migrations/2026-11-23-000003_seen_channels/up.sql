-- Ephemeral channels that have had a subscriber: after a restart they end unless one comes back.
CREATE TABLE seen_channels (
    project_id TEXT NOT NULL,
    channel_id TEXT NOT NULL,
    PRIMARY KEY (project_id, channel_id),
    FOREIGN KEY (project_id, channel_id) REFERENCES channels (project_id, id) ON DELETE CASCADE
);
