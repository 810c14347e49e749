-- That the run of which this is a part has ended well: what it read and was given is forgotten then,
-- and another attempt need not begin.

-- up
ALTER TABLE script_effects ADD COLUMN IF NOT EXISTS ended BOOLEAN NOT NULL DEFAULT FALSE AFTER answers;

-- down
ALTER TABLE script_effects DROP COLUMN IF EXISTS ended;
