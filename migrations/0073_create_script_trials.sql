-- Dry runs that take longer than a request waits: what was asked, and the answer once there is one.

-- up
CREATE TABLE IF NOT EXISTS script_trials (
  id UUID NOT NULL,
  tenant_id UUID NOT NULL,
  state VARCHAR(10) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'running',
  request JSON NOT NULL,
  answer LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
  created_by UUID NULL,
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  PRIMARY KEY (id),
  KEY script_trials_old (created_at),
  CONSTRAINT script_trials_tenant_fk FOREIGN KEY (tenant_id) REFERENCES tenants (id),
  CONSTRAINT script_trials_state CHECK (state IN ('running', 'done', 'failed'))
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- down
DROP TABLE IF EXISTS script_trials;
