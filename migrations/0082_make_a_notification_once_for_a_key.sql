-- One idempotency key is one notification for each person.

-- up
ALTER TABLE notifications
  ADD COLUMN IF NOT EXISTS
    idempotency_key VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL AFTER data,
  ADD UNIQUE KEY IF NOT EXISTS notifications_key (idempotency_key);

-- down
ALTER TABLE notifications
  DROP KEY IF EXISTS notifications_key,
  DROP COLUMN IF EXISTS idempotency_key;
