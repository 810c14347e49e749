-- What of a payload names persons, sealed with a key of each (personal_keys): the payload itself
-- does not.

-- up
ALTER TABLE outbox ADD COLUMN IF NOT EXISTS personal JSON NULL AFTER payload;

-- down
ALTER TABLE outbox DROP COLUMN IF EXISTS personal;
