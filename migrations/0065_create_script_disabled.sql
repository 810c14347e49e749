-- What is switched off whatever release runs: a file, or one handler of it ('' is the whole file).

-- up
CREATE TABLE IF NOT EXISTS script_disabled (
  tenant_id UUID NOT NULL,
  path VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  handler VARCHAR(250) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT '',
  reason VARCHAR(500) NOT NULL DEFAULT '',
  disabled_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  disabled_by UUID NULL,
  PRIMARY KEY (tenant_id, path, handler),
  CONSTRAINT script_disabled_tenant_fk FOREIGN KEY (tenant_id) REFERENCES tenants (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- down
DROP TABLE IF EXISTS script_disabled;
