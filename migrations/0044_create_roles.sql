-- Roles that a tenant made for itself; the built-in ones are code. A member's role is named in
-- user_tenants, further ones are in user_roles.

-- up
CREATE TABLE IF NOT EXISTS roles (
  id UUID NOT NULL,
  tenant_id UUID NOT NULL,
  name VARCHAR(63) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  description VARCHAR(500) NOT NULL DEFAULT '',
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  updated_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
  PRIMARY KEY (id),
  UNIQUE KEY roles_name (tenant_id, name),
  CONSTRAINT roles_tenant_fk FOREIGN KEY (tenant_id) REFERENCES tenants (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- down
DROP TABLE IF EXISTS roles;
