-- The trace that an event is a part of (W3C Trace Context): it goes on into the log and the jobs.

-- up
ALTER TABLE outbox ADD COLUMN IF NOT EXISTS
  traceparent VARCHAR(55) CHARACTER SET ascii COLLATE ascii_bin NULL AFTER request_id;

-- down
ALTER TABLE outbox DROP COLUMN IF EXISTS traceparent;
