DROP TABLE jwt_revocations;

DROP TABLE jwt_keys;
