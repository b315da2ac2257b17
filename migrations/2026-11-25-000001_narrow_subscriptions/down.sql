CREATE TABLE wide_subscriptions (
    project_id TEXT NOT NULL,
    channel_id TEXT NOT NULL,
    token_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (project_id, channel_id, token_id),
    FOREIGN KEY (project_id, channel_id) REFERENCES channels (project_id, id) ON DELETE CASCADE,
    FOREIGN KEY (project_id, token_id) REFERENCES tokens (project_id, id) ON DELETE CASCADE
);

INSERT INTO wide_subscriptions
SELECT project_id, channel_id, token_id, created_at FROM subscriptions
ORDER BY project_id, channel_id, token_id;

DROP TABLE subscriptions;

ALTER TABLE wide_subscriptions RENAME TO subscriptions;

CREATE INDEX subscriptions_by_token ON subscriptions (token_id, project_id);
