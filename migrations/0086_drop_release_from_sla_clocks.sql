-- The clocks of rules go by the release that runs, so they need not know one.

-- up
ALTER TABLE sla_clocks DROP COLUMN IF EXISTS release_number;

-- down
ALTER TABLE sla_clocks ADD COLUMN IF NOT EXISTS release_number INT UNSIGNED NULL
  COMMENT 'of the scripts that it was begun under';
