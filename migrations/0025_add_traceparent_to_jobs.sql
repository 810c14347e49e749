-- The trace that a job is a part of: its log lines and its requests to other servers name it.

-- up
ALTER TABLE jobs ADD COLUMN IF NOT EXISTS
  traceparent VARCHAR(55) CHARACTER SET ascii COLLATE ascii_bin NULL AFTER request_id;

-- down
ALTER TABLE jobs DROP COLUMN IF EXISTS traceparent;
