-- Clocks that run in a tenant's business hours. `elapsed_ms` is the open time up to `since`; while
-- the clock runs more goes by. `mark` names the last step that was taken (a percentage of the
-- target, or the number of a step): it and what the step did commit together. `wake_at` is when
-- somebody is to look: the next step's due, or later while one is tried (again).

-- up
CREATE TABLE IF NOT EXISTS sla_clocks (
  id UUID NOT NULL PRIMARY KEY,
  tenant_id UUID NOT NULL,
  kind VARCHAR(40) NOT NULL,
  name VARCHAR(100) NOT NULL DEFAULT '',
  resource_type VARCHAR(40) NOT NULL,
  resource_id UUID NOT NULL,
  state VARCHAR(10) NOT NULL DEFAULT 'running',
  since DATETIME(3) NOT NULL,
  elapsed_ms BIGINT NOT NULL DEFAULT 0,
  target_ms BIGINT NULL COMMENT 'open time in which it is to be done',
  mark INT NOT NULL DEFAULT 0,
  next_due_at DATETIME(3) NULL COMMENT 'of the next step, while it runs',
  wake_at DATETIME(3) NULL,
  attempts INT NOT NULL DEFAULT 0,
  last_error VARCHAR(1000) NULL,
  release_number INT UNSIGNED NULL COMMENT 'of the scripts that it was begun under',
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  updated_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
  UNIQUE KEY sla_clocks_resource (tenant_id, resource_id, kind, name),
  KEY sla_clocks_of_tenant (tenant_id, state, id),
  KEY sla_clocks_wake (wake_at),
  CONSTRAINT sla_clocks_tenant FOREIGN KEY (tenant_id) REFERENCES tenants (id),
  CONSTRAINT sla_clocks_state CHECK (state IN ('running', 'paused', 'stopped'))
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- down
DROP TABLE IF EXISTS sla_clocks;
