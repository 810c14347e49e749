-- Releases of a tenant's scripts, never changed once made. `number` is NULL for the one that a save
-- in development replaces; `hooks` is what its files declare; `withdrawn` says why it was taken
-- back, if it was.

-- up
CREATE TABLE IF NOT EXISTS script_releases (
  id UUID NOT NULL,
  tenant_id UUID NOT NULL,
  number INT NULL,
  message VARCHAR(500) NOT NULL DEFAULT '',
  hooks MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  author_id UUID NULL,
  withdrawn VARCHAR(200) NULL,
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  PRIMARY KEY (id),
  UNIQUE KEY script_releases_number (tenant_id, number),
  CONSTRAINT script_releases_tenant_fk FOREIGN KEY (tenant_id) REFERENCES tenants (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- down
DROP TABLE IF EXISTS script_releases;
