-- What an event tells is stored once, however many webhooks hear of it. `body` is what is posted without the one field
-- that differs, `webhook_id`, which stands first there.
CREATE TABLE event_bodies (
    event_id TEXT NOT NULL PRIMARY KEY,
    body TEXT NOT NULL
);

INSERT INTO event_bodies
SELECT event_id, '{' || substr(body, length('{"webhook_id":"",') + length(webhook_id) + 1)
FROM deliveries WHERE TRUE ON CONFLICT DO NOTHING;

-- The event stands first in the key, so that one index answers both which delivery and whether the event has another.
CREATE TABLE slim_deliveries (
    webhook_id TEXT NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    event_id TEXT NOT NULL REFERENCES event_bodies (event_id),
    project_id TEXT NOT NULL,
    seq BIGINT NOT NULL,
    event TEXT NOT NULL,
    state TEXT NOT NULL,
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

INSERT INTO slim_deliveries
SELECT webhook_id, event_id, project_id, seq, event, state, created_at, attempts, is_retry, next_attempt_at, gives_up_at,
       last_status, last_error, delivered_at
FROM deliveries;

DROP TABLE deliveries;

ALTER TABLE slim_deliveries RENAME TO deliveries;

CREATE INDEX deliveries_by_webhook ON deliveries (webhook_id, state, is_retry, next_attempt_at, seq);

CREATE INDEX deliveries_by_time ON deliveries (state, next_attempt_at);

CREATE INDEX deliveries_by_seq ON deliveries (webhook_id, seq);

-- Deliveries go in several ways: old ones one by one, a webhook's and a project's all at once. In each of them the last
-- one of an event takes the body along.
CREATE TRIGGER last_delivery_takes_the_body AFTER DELETE ON deliveries
WHEN NOT EXISTS (SELECT 1 FROM deliveries WHERE event_id = OLD.event_id)
BEGIN
    DELETE FROM event_bodies WHERE event_id = OLD.event_id;
END;
