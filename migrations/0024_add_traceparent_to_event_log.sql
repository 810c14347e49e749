-- The trace that an event is a part of, for the jobs that listen.

-- up
ALTER TABLE event_log ADD COLUMN IF NOT EXISTS
  traceparent VARCHAR(55) CHARACTER SET ascii COLLATE ascii_bin NULL AFTER request_id;

-- down
ALTER TABLE event_log DROP COLUMN IF EXISTS traceparent;
