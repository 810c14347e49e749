-- One row per upload; the content lies once per SHA-256 in the store. The key on sha256 lets the
-- sweep ask whether any tenant still uses a content.

-- up
CREATE TABLE IF NOT EXISTS files (
  id UUID NOT NULL,
  tenant_id UUID NOT NULL,
  sha256 CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  store VARCHAR(20) NOT NULL DEFAULT 'local',
  path VARCHAR(255) NOT NULL,
  original_name VARCHAR(255) NULL,
  file_type VARCHAR(100) NOT NULL,
  file_size BIGINT NOT NULL,
  width INT NULL,
  height INT NULL,
  uploaded_by UUID NULL,
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  deleted_at DATETIME(3) NULL,
  PRIMARY KEY (id),
  KEY files_tenant (tenant_id, created_at),
  KEY files_content (sha256),
  CONSTRAINT files_tenant_fk FOREIGN KEY (tenant_id) REFERENCES tenants (id),
  CONSTRAINT files_uploader_fk FOREIGN KEY (uploaded_by) REFERENCES users (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- down
DROP TABLE IF EXISTS files;
