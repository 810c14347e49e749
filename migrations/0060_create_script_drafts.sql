-- The files of a tenant's draft: what the next release is made of.

-- up
CREATE TABLE IF NOT EXISTS script_drafts (
  tenant_id UUID NOT NULL,
  path VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  content MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  updated_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
  updated_by UUID NULL,
  PRIMARY KEY (tenant_id, path),
  CONSTRAINT script_drafts_tenant_fk FOREIGN KEY (tenant_id) REFERENCES tenants (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- down
DROP TABLE IF EXISTS script_drafts;
