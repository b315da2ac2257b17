DROP TABLE online_sessions;
