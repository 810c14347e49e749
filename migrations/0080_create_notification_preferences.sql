-- How a person wants to be told things: JSON of channels, types, quietHours and digest. Nobody who
-- never said has a row.

-- up
CREATE TABLE IF NOT EXISTS notification_preferences (
  user_id UUID NOT NULL,
  preferences JSON NOT NULL,
  updated_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
  PRIMARY KEY (user_id),
  CONSTRAINT notification_preferences_user_fk FOREIGN KEY (user_id) REFERENCES users (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- down
DROP TABLE IF EXISTS notification_preferences;
