-- What tenants' scripts do at certain times: one row for each name, kept over releases.

-- up
CREATE TABLE IF NOT EXISTS script_schedules (
  tenant_id UUID NOT NULL,
  name VARCHAR(100) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  cron VARCHAR(200) CHARACTER SET ascii NOT NULL,
  timezone VARCHAR(64) CHARACTER SET ascii NOT NULL COMMENT 'by whose clock next_run_at was found',
  next_run_at DATETIME(3) NOT NULL,
  last_run_at DATETIME(3) NULL,
  PRIMARY KEY (tenant_id, name),
  KEY script_schedules_due (next_run_at),
  CONSTRAINT script_schedules_tenant_fk FOREIGN KEY (tenant_id) REFERENCES tenants (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- down
DROP TABLE IF EXISTS script_schedules;
