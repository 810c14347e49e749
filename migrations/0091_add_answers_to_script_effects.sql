-- What a run had read before a write, in the order in which it asked: sealed, since it may be
-- anything that the tenant has. Another attempt reads the same (services.scripts.journal).

-- up
ALTER TABLE script_effects ADD COLUMN IF NOT EXISTS answers MEDIUMBLOB NULL AFTER result;

-- down
ALTER TABLE script_effects DROP COLUMN IF EXISTS answers;
