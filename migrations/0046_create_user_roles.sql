-- The tenant's own roles that a member has besides the one of the membership.

-- up
CREATE TABLE IF NOT EXISTS user_roles (
  tenant_id UUID NOT NULL,
  user_id UUID NOT NULL,
  role_id UUID NOT NULL,
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  PRIMARY KEY (tenant_id, user_id, role_id),
  KEY user_roles_role (role_id),
  CONSTRAINT user_roles_member_fk FOREIGN KEY (tenant_id, user_id)
    REFERENCES user_tenants (tenant_id, user_id),
  CONSTRAINT user_roles_role_fk FOREIGN KEY (role_id) REFERENCES roles (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- down
DROP TABLE IF EXISTS user_roles;
