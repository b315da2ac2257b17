-- What the last orderly stop knew of what leap tokens have not heard: how many messages the next connection of each has
-- missed, nothing where nobody knew. The row of the empty token stands for all that have none. The next start takes them all.
CREATE TABLE unheard (
    token_id TEXT NOT NULL PRIMARY KEY,
    missed BIGINT
) WITHOUT ROWID;
