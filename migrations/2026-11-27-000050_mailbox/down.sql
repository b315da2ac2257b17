DROP TABLE mails;

DROP TABLE mailboxes;
