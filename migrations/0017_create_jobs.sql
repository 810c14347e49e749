-- The durable queue. A lower priority number goes first. `live_key` lets one job with a given
-- unique key wait or run at a time; finished ones hold NULL there.

-- up
CREATE TABLE IF NOT EXISTS jobs (
  id UUID NOT NULL,
  tenant_id UUID NULL,
  queue VARCHAR(40) NOT NULL DEFAULT 'default',
  name VARCHAR(120) NOT NULL,
  payload JSON NOT NULL,
  priority SMALLINT NOT NULL DEFAULT 5,
  state VARCHAR(10) NOT NULL DEFAULT 'waiting',
  unique_key VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
  run_at DATETIME(3) NOT NULL,
  attempts INT NOT NULL DEFAULT 0,
  max_attempts INT NULL,
  locked_by VARCHAR(120) NULL,
  locked_until DATETIME(3) NULL,
  progress JSON NULL,
  result JSON NULL,
  last_error TEXT NULL,
  created_by UUID NULL,
  request_id VARCHAR(100) NULL,
  started_at DATETIME(3) NULL,
  finished_at DATETIME(3) NULL,
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  updated_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
  live_key VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin
    AS (IF(state IN ('waiting', 'running'), unique_key, NULL)) STORED,
  PRIMARY KEY (id),
  UNIQUE KEY jobs_live_key (live_key),
  KEY jobs_due (state, queue, priority, run_at),
  KEY jobs_locked (state, locked_until),
  KEY jobs_finished (state, finished_at),
  KEY jobs_tenant (tenant_id, state, created_at),
  CONSTRAINT jobs_tenant_fk FOREIGN KEY (tenant_id) REFERENCES tenants (id),
  CONSTRAINT jobs_state CHECK (state IN ('waiting', 'running', 'done', 'dead'))
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- down
DROP TABLE IF EXISTS jobs;
