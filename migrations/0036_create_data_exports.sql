-- Copies of what the platform knows about a person, made by a job as a ZIP in <data>/exports.

-- up
CREATE TABLE IF NOT EXISTS data_exports (
  id UUID NOT NULL,
  user_id UUID NOT NULL,
  state VARCHAR(10) NOT NULL DEFAULT 'waiting',
  file_size BIGINT NULL,
  expires_at DATETIME(3) NOT NULL,
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  finished_at DATETIME(3) NULL,
  PRIMARY KEY (id),
  KEY data_exports_user (user_id, created_at),
  KEY data_exports_expiry (expires_at),
  CONSTRAINT data_exports_user_fk FOREIGN KEY (user_id) REFERENCES users (id),
  CONSTRAINT data_exports_state CHECK (state IN ('waiting', 'done', 'failed'))
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- down
DROP TABLE IF EXISTS data_exports;
