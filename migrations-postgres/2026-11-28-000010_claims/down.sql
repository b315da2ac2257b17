DROP TRIGGER an_attempt_ends_its_claim ON deliveries;
DROP FUNCTION an_attempt_ends_its_claim;
ALTER TABLE deliveries DROP COLUMN claimed_by, DROP COLUMN claimed_until;
