-- What several servers of one database agree by: its name, which is a part of all that they call by name elsewhere.
CREATE TABLE clusters (
    id TEXT COLLATE "C" PRIMARY KEY
);
INSERT INTO clusters (id) VALUES (replace(gen_random_uuid()::text, '-', ''));

-- Rises with each channel that is made, so that one that is made again is told from the one before of that name.
CREATE SEQUENCE channel_incarnations;
ALTER TABLE channels
    ADD COLUMN incarnation BIGINT NOT NULL DEFAULT nextval('channel_incarnations');
