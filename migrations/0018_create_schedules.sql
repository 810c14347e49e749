-- Recurring work by name. Each is due at most once per period on the whole deployment.

-- up
CREATE TABLE IF NOT EXISTS schedules (
  name VARCHAR(120) NOT NULL,
  job VARCHAR(120) NOT NULL,
  payload JSON NOT NULL DEFAULT '{}',
  every_ms BIGINT NULL,
  cron VARCHAR(120) NULL,
  timezone VARCHAR(64) NOT NULL DEFAULT 'UTC',
  is_active BOOLEAN NOT NULL DEFAULT TRUE,
  next_run_at DATETIME(3) NOT NULL,
  last_run_at DATETIME(3) NULL,
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  updated_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
  PRIMARY KEY (name),
  KEY schedules_due (is_active, next_run_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- down
DROP TABLE IF EXISTS schedules;
