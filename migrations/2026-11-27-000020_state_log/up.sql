-- What channels that keep every version of their state have kept. `patches` is how many versions came since the last that is
-- stored whole; of all that a log ever kept, `bytes` says how much they had, and `gone_version` and `gone_bytes` the same up to
-- the newest one that is not there any more: so what is kept is known without counting. `due_at` is when something may be too
-- old, zero where there is too much, and the greatest number where nothing ever is. A log without a channel has lost it, and
-- waits to be deleted in small steps.
CREATE TABLE state_logs (
    id BIGINT NOT NULL PRIMARY KEY,
    project_id TEXT,
    channel_id TEXT,
    last_version BIGINT NOT NULL,
    patches BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    gone_version BIGINT NOT NULL,
    gone_bytes BIGINT NOT NULL,
    due_at BIGINT NOT NULL
);

CREATE UNIQUE INDEX state_logs_by_channel ON state_logs (project_id, channel_id);

CREATE INDEX state_logs_by_due ON state_logs (due_at);

-- The versions: `patch` is what has changed since the one before, where a JSON Merge Patch can say that; `state` the whole of
-- it, where it is not the one before with that patch, byte for byte, and now and then, so that none is far from a whole one.
-- They go from the oldest on and nowhere else. `stored_before` is the sum of `stored` of all that ever stood before. What may
-- be large stands last.
CREATE TABLE state_versions (
    log_id BIGINT NOT NULL,
    version BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    state_bytes BIGINT NOT NULL,
    stored BIGINT NOT NULL,
    stored_before BIGINT NOT NULL,
    author TEXT,
    patch TEXT,
    state TEXT,
    PRIMARY KEY (log_id, version)
) WITHOUT ROWID;

-- Channels go in several ways, with their project too. None waits until a thousand versions are deleted.
CREATE TRIGGER channel_leaves_its_state_log AFTER DELETE ON channels
BEGIN
    UPDATE state_logs SET project_id = NULL, channel_id = NULL, due_at = 0
    WHERE project_id = OLD.project_id AND channel_id = OLD.id;
END;
