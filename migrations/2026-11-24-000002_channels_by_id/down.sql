DROP INDEX channels_by_id;
CREATE INDEX channels_by_id ON channels (id);
