-- Keys that name the tenant twice, (tenant_id, x) -> (tenant_id, id), keep a row from ever
-- pointing into another tenant. A tracking code is unique over all tenants, since those who ask by
-- it name none.

-- up
CREATE TABLE IF NOT EXISTS reports (
  id UUID NOT NULL PRIMARY KEY,
  tenant_id UUID NOT NULL,
  reporter_id UUID NULL,
  reporter_contact VARBINARY(2048) NULL COMMENT 'AES-256-GCM of {name, email, phone}',
  tracking_code CHAR(8) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  title VARCHAR(200) NOT NULL,
  description TEXT NULL,
  category VARCHAR(64) NOT NULL,
  severity_level VARCHAR(16) NOT NULL,
  status VARCHAR(32) NOT NULL,
  location_description VARCHAR(500) NULL,
  latitude DOUBLE NULL,
  longitude DOUBLE NULL,
  location_accuracy DOUBLE NULL COMMENT 'metres',
  cell VARCHAR(12) CHARACTER SET ascii COLLATE ascii_bin NULL COMMENT 'geohash of the position',
  source VARCHAR(16) NOT NULL DEFAULT 'api',
  tags JSON NOT NULL DEFAULT '[]',
  metadata JSON NOT NULL DEFAULT '{}',
  duplicate_of UUID NULL,
  sla_due_at DATETIME(3) NULL,
  version INT UNSIGNED NOT NULL DEFAULT 1,
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  updated_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  resolved_at DATETIME(3) NULL,
  deleted_at DATETIME(3) NULL,
  UNIQUE KEY reports_of_tenant (tenant_id, id),
  UNIQUE KEY reports_tracking_code (tracking_code),
  KEY reports_created (tenant_id, created_at, id),
  KEY reports_updated (tenant_id, updated_at, id),
  KEY reports_status (tenant_id, status, created_at),
  KEY reports_cell (tenant_id, cell),
  KEY reports_reporter (tenant_id, reporter_id, created_at),
  CONSTRAINT reports_position CHECK ((latitude IS NULL) = (longitude IS NULL)),
  CONSTRAINT reports_tenant FOREIGN KEY (tenant_id) REFERENCES tenants (id),
  CONSTRAINT reports_reporter_user FOREIGN KEY (reporter_id) REFERENCES users (id),
  CONSTRAINT reports_duplicate_of FOREIGN KEY (tenant_id, duplicate_of)
    REFERENCES reports (tenant_id, id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4;

-- down
DROP TABLE IF EXISTS reports;
