-- What makes cached rights stale: every worker follows this table. Rows are kept for an hour;
-- a worker that starts later has nothing cached.

-- up
CREATE TABLE IF NOT EXISTS security_events (
  id BIGINT NOT NULL AUTO_INCREMENT,
  kind VARCHAR(40) NOT NULL,
  user_id UUID NULL,
  tenant_id UUID NULL,
  session_id UUID NULL,
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- down
DROP TABLE IF EXISTS security_events;
