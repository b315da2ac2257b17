DROP INDEX deliveries_by_webhook;

CREATE INDEX deliveries_by_webhook ON deliveries (webhook_id, state, next_attempt_at, seq);

ALTER TABLE deliveries DROP COLUMN is_retry;
