-- up
CREATE TABLE IF NOT EXISTS report_status_history (
  id UUID NOT NULL PRIMARY KEY,
  tenant_id UUID NOT NULL,
  report_id UUID NOT NULL,
  from_status VARCHAR(32) NULL,
  to_status VARCHAR(32) NOT NULL,
  reason VARCHAR(1000) NULL,
  changed_by UUID NULL,
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  KEY report_status_history_report (tenant_id, report_id, id),
  CONSTRAINT report_status_history_tenant FOREIGN KEY (tenant_id) REFERENCES tenants (id),
  CONSTRAINT report_status_history_of FOREIGN KEY (tenant_id, report_id)
    REFERENCES reports (tenant_id, id),
  CONSTRAINT report_status_history_user FOREIGN KEY (changed_by) REFERENCES users (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;

-- down
DROP TABLE IF EXISTS report_status_history;
