-- Undelivered events are lost with their table.

DROP TABLE authorizers;
DROP TABLE deliveries;
DROP TABLE event_sequences;
ALTER TABLE webhooks DROP COLUMN disabled_at;
ALTER TABLE webhooks DROP COLUMN previous_secret_until;
ALTER TABLE webhooks DROP COLUMN previous_secret;
