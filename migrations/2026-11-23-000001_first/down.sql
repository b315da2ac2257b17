-- Children go before their parents; indexes go with their tables.

DROP TABLE webhooks;
DROP TABLE subscriptions;
DROP TABLE tokens;
DROP TABLE channels;
DROP TABLE admin_tokens;
DROP TABLE project_tokens;
DROP TABLE projects;
