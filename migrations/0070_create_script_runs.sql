-- How the runs of tenants' scripts went. `release_number` is NULL for what has none (development, a
-- draft). `seq` grows as they are written down: the live tail goes by it. Kept 30 days.

-- up
CREATE TABLE IF NOT EXISTS script_runs (
  seq BIGINT NOT NULL AUTO_INCREMENT,
  id UUID NOT NULL,
  tenant_id UUID NOT NULL,
  release_number INT NULL,
  file VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  hook VARCHAR(250) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  event VARCHAR(100) NULL,
  event_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
  status VARCHAR(10) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  attempt INT NOT NULL DEFAULT 1,
  started_at DATETIME(3) NOT NULL,
  cpu_us BIGINT NOT NULL,
  wall_us BIGINT NOT NULL,
  memory_bytes BIGINT NOT NULL,
  calls INT NOT NULL,
  log JSON NULL,
  warnings JSON NULL,
  error JSON NULL,
  PRIMARY KEY (seq),
  UNIQUE KEY script_runs_id (id),
  KEY script_runs_time (tenant_id, started_at),
  KEY script_runs_file (tenant_id, file, started_at),
  KEY script_runs_status (tenant_id, status, started_at),
  KEY script_runs_old (started_at),
  CONSTRAINT script_runs_tenant_fk FOREIGN KEY (tenant_id) REFERENCES tenants (id),
  CONSTRAINT script_runs_status CHECK
    (status IN ('ok', 'error', 'limit', 'rejected', 'retrying', 'dead'))
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- down
DROP TABLE IF EXISTS script_runs;
