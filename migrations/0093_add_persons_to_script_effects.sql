-- Of whom `answers` tells, by their ids: it opens only as long as none of them was erased. What the
-- write gave back is its last entry; `result` holds that of rows from before alone.

-- up
ALTER TABLE script_effects ADD COLUMN IF NOT EXISTS persons TEXT CHARACTER SET ascii COLLATE ascii_bin NULL AFTER answers;

-- down
ALTER TABLE script_effects DROP COLUMN IF EXISTS persons;
