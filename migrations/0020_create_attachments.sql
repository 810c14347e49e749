-- A file on a parent (a report, a work order, ...), which decides who may see it.

-- up
CREATE TABLE IF NOT EXISTS attachments (
  id UUID NOT NULL,
  tenant_id UUID NOT NULL,
  parent_type VARCHAR(40) NOT NULL,
  parent_id UUID NOT NULL,
  file_id UUID NOT NULL,
  kind VARCHAR(20) NULL,
  caption VARCHAR(500) NULL,
  position INT NOT NULL DEFAULT 0,
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  updated_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
  deleted_at DATETIME(3) NULL,
  PRIMARY KEY (id),
  KEY attachments_parent (tenant_id, parent_type, parent_id, position),
  KEY attachments_file (tenant_id, file_id),
  CONSTRAINT attachments_tenant_fk FOREIGN KEY (tenant_id) REFERENCES tenants (id),
  CONSTRAINT attachments_file_fk FOREIGN KEY (file_id) REFERENCES files (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- down
DROP TABLE IF EXISTS attachments;
