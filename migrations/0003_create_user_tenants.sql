-- Memberships. `permissions` adds or takes single permissions: {"reports.export": true}.
-- The key on user_id serves its foreign key and "my tenants".

-- up
CREATE TABLE IF NOT EXISTS user_tenants (
  id UUID NOT NULL,
  user_id UUID NOT NULL,
  tenant_id UUID NOT NULL,
  role VARCHAR(63) NOT NULL,
  permissions JSON NULL,
  is_active BOOLEAN NOT NULL DEFAULT TRUE,
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  updated_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
  PRIMARY KEY (id),
  UNIQUE KEY user_tenants_member (tenant_id, user_id),
  KEY user_tenants_role (tenant_id, role),
  KEY user_tenants_user (user_id),
  CONSTRAINT user_tenants_user_fk FOREIGN KEY (user_id) REFERENCES users (id),
  CONSTRAINT user_tenants_tenant_fk FOREIGN KEY (tenant_id) REFERENCES tenants (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- down
DROP TABLE IF EXISTS user_tenants;
