-- What was done about a hazard. Its pictures are attachments of kind before and after.

-- up
CREATE TABLE IF NOT EXISTS remediations (
  id UUID NOT NULL PRIMARY KEY,
  tenant_id UUID NOT NULL,
  work_order_id UUID NOT NULL,
  performed_by UUID NULL,
  description TEXT NOT NULL,
  materials_used JSON NOT NULL DEFAULT '[]',
  time_spent INT UNSIGNED NULL COMMENT 'minutes',
  completion_date DATETIME(3) NOT NULL,
  version INT UNSIGNED NOT NULL DEFAULT 1,
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  updated_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  deleted_at DATETIME(3) NULL,
  UNIQUE KEY remediations_of_tenant (tenant_id, id),
  KEY remediations_order (tenant_id, work_order_id, id),
  KEY remediations_performer (tenant_id, performed_by, completion_date),
  CONSTRAINT remediations_tenant FOREIGN KEY (tenant_id) REFERENCES tenants (id),
  CONSTRAINT remediations_of FOREIGN KEY (tenant_id, work_order_id)
    REFERENCES work_orders (tenant_id, id),
  CONSTRAINT remediations_performer_fk FOREIGN KEY (performed_by) REFERENCES users (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- down
DROP TABLE IF EXISTS remediations;
