-- up
CREATE TABLE IF NOT EXISTS work_order_history (
  id UUID NOT NULL PRIMARY KEY,
  tenant_id UUID NOT NULL,
  work_order_id UUID NOT NULL,
  action VARCHAR(32) NOT NULL,
  from_status VARCHAR(32) NULL,
  to_status VARCHAR(32) NOT NULL,
  reason VARCHAR(1000) NULL,
  details JSON NOT NULL DEFAULT '{}',
  changed_by UUID NULL,
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  KEY work_order_history_order (tenant_id, work_order_id, id),
  CONSTRAINT work_order_history_tenant FOREIGN KEY (tenant_id) REFERENCES tenants (id),
  CONSTRAINT work_order_history_of FOREIGN KEY (tenant_id, work_order_id)
    REFERENCES work_orders (tenant_id, id),
  CONSTRAINT work_order_history_user FOREIGN KEY (changed_by) REFERENCES users (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- down
DROP TABLE IF EXISTS work_order_history;
