CREATE TABLE whole_deliveries (
    webhook_id TEXT NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    event_id TEXT NOT NULL,
    project_id TEXT NOT NULL,
    seq BIGINT NOT NULL,
    event TEXT NOT NULL,
    state TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    next_attempt_at BIGINT NOT NULL,
    gives_up_at BIGINT NOT NULL,
    last_status BIGINT,
    last_error TEXT,
    delivered_at BIGINT,
    body TEXT NOT NULL,
    is_retry BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (webhook_id, event_id)
);

INSERT INTO whole_deliveries
SELECT webhook_id, event_id, project_id, seq, event, state, created_at, attempts, next_attempt_at, gives_up_at,
       last_status, last_error, delivered_at, '{"webhook_id":"' || webhook_id || '",' || substr(body, 2), is_retry
FROM deliveries JOIN event_bodies USING (event_id);

DROP TABLE deliveries;

ALTER TABLE whole_deliveries RENAME TO deliveries;

CREATE INDEX deliveries_by_webhook ON deliveries (webhook_id, state, is_retry, next_attempt_at, seq);

CREATE INDEX deliveries_by_time ON deliveries (state, next_attempt_at);

CREATE INDEX deliveries_by_seq ON deliveries (webhook_id, seq);

DROP TABLE event_bodies;
