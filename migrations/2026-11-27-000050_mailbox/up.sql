-- One mailbox for each token that was ever sent a mail. An epoch is 48 random bits and stands for its mailbox everywhere.
-- `last_number` is that of the newest mail, `messages` and `bytes` say what waits now. A mailbox without a token has lost it,
-- and waits to be deleted in small steps.
CREATE TABLE mailboxes (
    epoch BIGINT NOT NULL PRIMARY KEY,
    project_id TEXT NOT NULL,
    token_id TEXT,
    last_number BIGINT NOT NULL,
    messages BIGINT NOT NULL,
    bytes BIGINT NOT NULL
);

CREATE UNIQUE INDEX mailboxes_by_token ON mailboxes (token_id);

CREATE INDEX mailboxes_by_project ON mailboxes (project_id);

-- The mails. `state` is 0 while one waits, 1 once it was delivered, 2 once it has expired; `since` is when it came to that,
-- and `due_at` when it expires or, once it has ended, when it is forgotten. One that has ended has no text any more.
CREATE TABLE mails (
    epoch BIGINT NOT NULL,
    state BIGINT NOT NULL,
    number BIGINT NOT NULL,
    since BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    event TEXT NOT NULL,
    data TEXT NOT NULL,
    PRIMARY KEY (epoch, state, number)
);

CREATE INDEX mails_by_due ON mails (due_at);
