-- What a tenant's scripts may use and nobody reads again: sealed with AES-256-GCM.

-- up
CREATE TABLE IF NOT EXISTS script_secrets (
  tenant_id UUID NOT NULL,
  name VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  sealed VARBINARY(6000) NOT NULL,
  updated_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
  updated_by UUID NULL,
  PRIMARY KEY (tenant_id, name),
  CONSTRAINT script_secrets_tenant_fk FOREIGN KEY (tenant_id) REFERENCES tenants (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- down
DROP TABLE IF EXISTS script_secrets;
