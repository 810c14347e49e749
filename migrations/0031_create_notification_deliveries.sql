-- One message on its way by one channel. `content` (recipient, subject, text, html) is sealed and
-- removed once it is sent: a link in it may be a secret. One idempotency key is one delivery.

-- up
CREATE TABLE IF NOT EXISTS notification_deliveries (
  id UUID NOT NULL,
  notification_id UUID NULL,
  user_id UUID NULL,
  channel VARCHAR(20) NOT NULL,
  type VARCHAR(80) NOT NULL,
  idempotency_key VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
  content MEDIUMBLOB NULL,
  state VARCHAR(10) NOT NULL DEFAULT 'waiting',
  attempts INT NOT NULL DEFAULT 0,
  error VARCHAR(200) NULL,
  sent_at DATETIME(3) NULL,
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  updated_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
  PRIMARY KEY (id),
  UNIQUE KEY notification_deliveries_key (idempotency_key),
  KEY notification_deliveries_user (user_id),
  KEY notification_deliveries_age (state, created_at),
  CONSTRAINT notification_deliveries_notification_fk FOREIGN KEY (notification_id)
    REFERENCES notifications (id) ON DELETE CASCADE,
  CONSTRAINT notification_deliveries_user_fk FOREIGN KEY (user_id) REFERENCES users (id),
  CONSTRAINT notification_deliveries_state CHECK (state IN ('waiting', 'sent', 'failed'))
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- down
DROP TABLE IF EXISTS notification_deliveries;
