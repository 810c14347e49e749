-- Looking for duplicates of a new report must not read all that a town ever reported: an area holds
-- a few square kilometres, and in it the key goes by time.

-- up
ALTER TABLE reports
  ADD COLUMN IF NOT EXISTS area CHAR(5) CHARACTER SET ascii COLLATE ascii_bin
    GENERATED ALWAYS AS (LEFT(cell, 5)) STORED COMMENT 'geohash of about 5 km by 5 km',
  ADD KEY IF NOT EXISTS reports_area (tenant_id, area, created_at, latitude, longitude);

-- down
ALTER TABLE reports DROP KEY IF EXISTS reports_area, DROP COLUMN IF EXISTS area;
