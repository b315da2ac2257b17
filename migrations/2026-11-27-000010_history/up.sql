-- The lines of channels whose messages are kept: how far each has come, so that its positions go on where they were. An
-- epoch is 48 random bits and stands for its line everywhere. Of all messages that a line ever kept, `last_number` says how
-- many there were and `bytes` how much they had; `gone_offset`, `gone_number` and `gone_bytes` say the same up to the newest
-- one that is not there any more: so what is kept is known without counting. What stands before `trimmed_offset` was taken
-- back and only waits to be deleted. `due_at` is when something may be too old, and the greatest number where nothing ever is.
-- A line without a channel has lost it, and waits to be deleted in small steps.
CREATE TABLE lines (
    epoch BIGINT NOT NULL PRIMARY KEY,
    project_id TEXT,
    channel_id TEXT,
    last_offset BIGINT NOT NULL,
    last_number BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    gone_offset BIGINT NOT NULL,
    gone_number BIGINT NOT NULL,
    gone_bytes BIGINT NOT NULL,
    trimmed_offset BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    max_messages BIGINT,
    max_seconds BIGINT
);

CREATE UNIQUE INDEX lines_by_channel ON lines (project_id, channel_id);

CREATE INDEX lines_by_due ON lines (due_at);

-- The messages themselves. They go from the oldest on and nowhere else, so the numbers of a line have no gaps, and
-- `bytes_before` is the sum of `bytes` of all that ever stood before. What may be large stands last.
CREATE TABLE messages (
    epoch BIGINT NOT NULL,
    line_offset BIGINT NOT NULL,
    number BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    bytes_before BIGINT NOT NULL,
    published_at BIGINT NOT NULL,
    sender TEXT,
    event TEXT NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (epoch, line_offset)
) WITHOUT ROWID;

-- Channels go in several ways, with their project too. None waits until a thousand messages are deleted.
CREATE TRIGGER channel_leaves_its_line AFTER DELETE ON channels
BEGIN
    UPDATE lines SET project_id = NULL, channel_id = NULL, due_at = 0
    WHERE project_id = OLD.project_id AND channel_id = OLD.id;
END;

-- Channels that had the capability before it did anything.
INSERT INTO lines
SELECT abs(random() % 281474976710655) + 1, project_id, id, 0, 0, 0, 0, 0, 0, 0, 9223372036854775807, NULL, NULL
FROM channels WHERE capabilities & 16 <> 0;
