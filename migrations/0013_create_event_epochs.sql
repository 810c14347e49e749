-- The newest row names the history that sequence numbers belong to. A restore from a backup adds
-- one, since numbers given out after the backup will be given out again.

-- up
CREATE TABLE IF NOT EXISTS event_epochs (
  id BIGINT NOT NULL AUTO_INCREMENT,
  epoch UUID NOT NULL DEFAULT UUID(),
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- down
DROP TABLE IF EXISTS event_epochs;
