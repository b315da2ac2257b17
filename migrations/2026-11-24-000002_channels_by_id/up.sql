-- "Which projects have a channel of this id" is answered from the index alone, in its order: a name like `lobby` may be
-- in use by very many projects, and two of them are all that is asked for.
DROP INDEX channels_by_id;
CREATE INDEX channels_by_id ON channels (id, project_id);
