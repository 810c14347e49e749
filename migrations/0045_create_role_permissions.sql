-- What a tenant's own role permits.

-- up
CREATE TABLE IF NOT EXISTS role_permissions (
  role_id UUID NOT NULL,
  tenant_id UUID NOT NULL,
  permission VARCHAR(63) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  PRIMARY KEY (role_id, permission),
  CONSTRAINT role_permissions_role_fk FOREIGN KEY (role_id) REFERENCES roles (id)
    ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- down
DROP TABLE IF EXISTS role_permissions;
