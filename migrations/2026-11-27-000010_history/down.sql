DROP TRIGGER channel_leaves_its_line;

DROP TABLE messages;

DROP TABLE lines;
