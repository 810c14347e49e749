-- What people are told inside the product. tenant_id is NULL for what concerns the account alone.

-- up
CREATE TABLE IF NOT EXISTS notifications (
  id UUID NOT NULL,
  user_id UUID NOT NULL,
  tenant_id UUID NULL,
  type VARCHAR(80) NOT NULL,
  title VARCHAR(200) NOT NULL,
  message VARCHAR(2000) NOT NULL,
  data JSON NULL,
  read_at DATETIME(3) NULL,
  expires_at DATETIME(3) NULL,
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  PRIMARY KEY (id),
  KEY notifications_tenant (tenant_id, user_id, created_at),
  KEY notifications_user (user_id, created_at),
  KEY notifications_expiry (expires_at),
  CONSTRAINT notifications_user_fk FOREIGN KEY (user_id) REFERENCES users (id),
  CONSTRAINT notifications_tenant_fk FOREIGN KEY (tenant_id) REFERENCES tenants (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- down
DROP TABLE IF EXISTS notifications;
