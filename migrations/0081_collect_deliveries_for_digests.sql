-- A mail that waits to be one of several in a digest: digest_at is when that is made.

-- up
ALTER TABLE notification_deliveries
  ADD COLUMN IF NOT EXISTS digest_at DATETIME(3) NULL AFTER content,
  ADD KEY IF NOT EXISTS notification_deliveries_digest (user_id, digest_at);

-- down
ALTER TABLE notification_deliveries
  DROP KEY IF EXISTS notification_deliveries_digest,
  DROP COLUMN IF EXISTS digest_at;
