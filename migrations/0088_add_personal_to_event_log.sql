-- What of a payload names persons, sealed, as it was in the outbox.

-- up
ALTER TABLE event_log ADD COLUMN IF NOT EXISTS personal JSON NULL AFTER payload;

-- down
ALTER TABLE event_log DROP COLUMN IF EXISTS personal;
