-- Retries and first attempts stand in lines of their own, so that a long queue of new events does not keep those waiting
-- that have been tried before. 1 from the first failed attempt on.
ALTER TABLE deliveries ADD COLUMN is_retry BIGINT NOT NULL DEFAULT 0;

UPDATE deliveries SET is_retry = 1 WHERE attempts > 0;

DROP INDEX deliveries_by_webhook;

CREATE INDEX deliveries_by_webhook ON deliveries (webhook_id, state, is_retry, next_attempt_at, seq);
