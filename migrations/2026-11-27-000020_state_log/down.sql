DROP TRIGGER channel_leaves_its_state_log;

DROP TABLE state_versions;

DROP TABLE state_logs;
