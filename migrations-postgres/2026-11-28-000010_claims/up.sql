-- Who is posting a delivery, and until when nobody else does. Found by the index of what is due: few are claimed at a time.
ALTER TABLE deliveries
    ADD COLUMN claimed_by TEXT COLLATE "C",
    ADD COLUMN claimed_until BIGINT;

-- An attempt that has been counted is over, and its claim with it. One that is made due again meanwhile stays claimed.
CREATE FUNCTION an_attempt_ends_its_claim() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.claimed_by := NULL;
    NEW.claimed_until := NULL;
    RETURN NEW;
END
$$;

CREATE TRIGGER an_attempt_ends_its_claim BEFORE UPDATE OF attempts ON deliveries FOR EACH ROW
WHEN (OLD.claimed_by IS NOT NULL AND NEW.attempts > OLD.attempts) EXECUTE FUNCTION an_attempt_ends_its_claim();
