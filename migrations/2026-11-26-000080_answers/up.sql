-- The answers to calls that came with a key and did something that is stored, committed with it: who repeats the call is
-- given the answer again. The scope is a project's id, and empty for the operator; no reference, because the operator has no
-- row. Of key and call only digests are kept. Numbers have no gaps within a scope, and `bytes_before` is the sum of `bytes`
-- of all rows that ever stood before: so what there is in all is known from the first row and the last.
CREATE TABLE answers (
    scope TEXT NOT NULL,
    number BIGINT NOT NULL,
    key_digest BLOB NOT NULL,
    asked BLOB NOT NULL,
    permissions BIGINT NOT NULL,
    answered_at BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    bytes_before BIGINT NOT NULL,
    status BIGINT NOT NULL,
    headers TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (scope, number)
) WITHOUT ROWID;

CREATE UNIQUE INDEX answers_by_key ON answers (scope, key_digest);
