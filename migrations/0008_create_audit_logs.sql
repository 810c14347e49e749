-- Who did what. tenant_id is NULL for what happens outside all tenants. Append-only (next files).

-- up
CREATE TABLE IF NOT EXISTS audit_logs (
  id UUID NOT NULL,
  tenant_id UUID NULL,
  user_id UUID NULL,
  actor VARCHAR(120) NOT NULL,
  action VARCHAR(80) NOT NULL,
  resource_type VARCHAR(40) NOT NULL,
  resource_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
  old_values JSON NULL,
  new_values JSON NULL,
  ip_address VARCHAR(45) NULL,
  user_agent VARCHAR(300) NULL,
  request_id VARCHAR(100) NULL,
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  PRIMARY KEY (id),
  KEY audit_logs_time (tenant_id, created_at),
  KEY audit_logs_resource (tenant_id, resource_type, resource_id, created_at),
  KEY audit_logs_who (tenant_id, user_id, created_at),
  KEY audit_logs_user (user_id, created_at),
  CONSTRAINT audit_logs_tenant_fk FOREIGN KEY (tenant_id) REFERENCES tenants (id),
  CONSTRAINT audit_logs_user_fk FOREIGN KEY (user_id) REFERENCES users (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- down
DROP TABLE IF EXISTS audit_logs;
