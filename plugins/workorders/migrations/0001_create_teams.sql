-- up
CREATE TABLE IF NOT EXISTS teams (
  id UUID NOT NULL PRIMARY KEY,
  tenant_id UUID NOT NULL,
  name VARCHAR(100) NOT NULL,
  skills JSON NOT NULL DEFAULT '[]' COMMENT 'codes of report categories',
  version INT UNSIGNED NOT NULL DEFAULT 1,
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  updated_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  deleted_at DATETIME(3) NULL,
  alive BOOLEAN AS (IF(deleted_at IS NULL, TRUE, NULL)) STORED,
  UNIQUE KEY teams_of_tenant (tenant_id, id),
  UNIQUE KEY teams_name (tenant_id, name, alive),
  CONSTRAINT teams_tenant FOREIGN KEY (tenant_id) REFERENCES tenants (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- down
DROP TABLE IF EXISTS teams;
