-- A tenant is an organisation, and also what its members call a workspace.
-- `alive` makes slugs and domains unique among the living: a deleted row holds NULL there.

-- up
CREATE TABLE IF NOT EXISTS tenants (
  id UUID NOT NULL,
  slug VARCHAR(63) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  organization_name VARCHAR(200) NOT NULL,
  domain VARCHAR(253) CHARACTER SET ascii COLLATE ascii_bin NULL,
  contact_info JSON NOT NULL DEFAULT '{}',
  branding_config JSON NOT NULL DEFAULT '{}',
  subscription_tier VARCHAR(20) NOT NULL DEFAULT 'free',
  api_limits JSON NOT NULL DEFAULT '{}',
  settings JSON NOT NULL DEFAULT '{}',
  timezone VARCHAR(64) NOT NULL DEFAULT 'UTC',
  is_active BOOLEAN NOT NULL DEFAULT TRUE,
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  updated_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
  deleted_at DATETIME(3) NULL,
  alive BOOLEAN AS (IF(deleted_at IS NULL, TRUE, NULL)) STORED,
  PRIMARY KEY (id),
  UNIQUE KEY tenants_slug (slug, alive),
  UNIQUE KEY tenants_domain (domain, alive),
  CONSTRAINT tenants_tier CHECK (subscription_tier IN ('free', 'pro', 'enterprise'))
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- down
DROP TABLE IF EXISTS tenants;
