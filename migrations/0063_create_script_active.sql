-- Where a tenant's scripts stand: the release that runs, the canary with its share of entities in
-- percent and how its runs went, the next release's number, and how often the draft and what runs
-- were changed.

-- up
CREATE TABLE IF NOT EXISTS script_active (
  tenant_id UUID NOT NULL,
  release_id UUID NULL,
  canary_id UUID NULL,
  canary_percent INT NULL,
  canary_runs INT NOT NULL DEFAULT 0,
  canary_failures INT NOT NULL DEFAULT 0,
  next_number INT NOT NULL DEFAULT 1,
  draft_version BIGINT NOT NULL DEFAULT 0,
  version BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (tenant_id),
  CONSTRAINT script_active_tenant_fk FOREIGN KEY (tenant_id) REFERENCES tenants (id),
  CONSTRAINT script_active_release_fk FOREIGN KEY (release_id) REFERENCES script_releases (id),
  CONSTRAINT script_active_canary_fk FOREIGN KEY (canary_id) REFERENCES script_releases (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- down
DROP TABLE IF EXISTS script_active;
