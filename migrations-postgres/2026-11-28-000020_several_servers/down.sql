ALTER TABLE channels DROP COLUMN incarnation;
DROP SEQUENCE channel_incarnations;
DROP TABLE clusters;
