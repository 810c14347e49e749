-- Handlers whose latest runs failed, and how many running: a success removes the row.

-- up
CREATE TABLE IF NOT EXISTS script_failures (
  tenant_id UUID NOT NULL,
  handler VARCHAR(320) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  failures INT NOT NULL,
  failed_at DATETIME(3) NOT NULL,
  PRIMARY KEY (tenant_id, handler),
  CONSTRAINT script_failures_tenant_fk FOREIGN KEY (tenant_id) REFERENCES tenants (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- down
DROP TABLE IF EXISTS script_failures;
