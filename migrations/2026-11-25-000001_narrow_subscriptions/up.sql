-- A subscription is nothing but its key: kept in the order of the key, it stands in two trees instead of three. With a
-- million of them each tree costs a page read, logged and checkpointed for a new one. For PostgreSQL, which has no such
-- tables, WITHOUT ROWID goes.
CREATE TABLE narrow_subscriptions (
    project_id TEXT NOT NULL,
    channel_id TEXT NOT NULL,
    token_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (project_id, channel_id, token_id),
    FOREIGN KEY (project_id, channel_id) REFERENCES channels (project_id, id) ON DELETE CASCADE,
    FOREIGN KEY (project_id, token_id) REFERENCES tokens (project_id, id) ON DELETE CASCADE
) WITHOUT ROWID;

INSERT INTO narrow_subscriptions
SELECT project_id, channel_id, token_id, created_at FROM subscriptions
ORDER BY project_id, channel_id, token_id;

DROP TABLE subscriptions;

ALTER TABLE narrow_subscriptions RENAME TO subscriptions;

CREATE INDEX subscriptions_by_token ON subscriptions (token_id, project_id);
