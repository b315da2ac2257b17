-- The list of a channel's tokens is read in pieces, by age; each piece begins in the index where the last one ended.
CREATE INDEX subscriptions_by_age ON subscriptions (project_id, channel_id, created_at, token_id);
