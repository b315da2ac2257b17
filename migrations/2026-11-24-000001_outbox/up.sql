-- Events on their way to webhooks, and the hook that answers subscribe requests.

-- After a new secret the one before signs beside it until the moment in the second column. A webhook whose endpoint
-- answered 410 is disabled, since the moment in the third.
ALTER TABLE webhooks ADD COLUMN previous_secret TEXT;
ALTER TABLE webhooks ADD COLUMN previous_secret_until BIGINT;
ALTER TABLE webhooks ADD COLUMN disabled_at BIGINT;

-- The number of a project's last event. It rises by one with each event that some webhook hears, also across restarts
-- and deleted channels, and so rises within each channel.
CREATE TABLE event_sequences (
    project_id TEXT NOT NULL PRIMARY KEY REFERENCES projects (id) ON DELETE CASCADE,
    last_seq BIGINT NOT NULL
);

-- One row for each event and webhook that hears it; the body is what is posted, to the byte. `state` is pending,
-- delivered or dead. The body stands last: it may be large.
CREATE TABLE deliveries (
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
    PRIMARY KEY (webhook_id, event_id)
);

-- What is due, webhook by webhook, so that one with a long queue does not stand before the others.
CREATE INDEX deliveries_by_webhook ON deliveries (webhook_id, state, next_attempt_at, seq);

-- When something is due next.
CREATE INDEX deliveries_by_time ON deliveries (state, next_attempt_at);

-- The list of a webhook's deliveries, newest first.
CREATE INDEX deliveries_by_seq ON deliveries (webhook_id, seq);

-- At most one for each project: who is asked when a token wants a private channel that it was not granted.
CREATE TABLE authorizers (
    project_id TEXT NOT NULL PRIMARY KEY REFERENCES projects (id) ON DELETE CASCADE,
    url TEXT NOT NULL,
    secret TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
