-- A session is a family of refresh tokens; its id is the `sid` of the access tokens it gives out.
-- Ending it (ended_at) ends all of them. tenant_id is the tenant the session acts in, if any.

-- up
CREATE TABLE IF NOT EXISTS sessions (
  id UUID NOT NULL,
  user_id UUID NOT NULL,
  tenant_id UUID NULL,
  ip_address VARCHAR(45) NULL,
  user_agent VARCHAR(300) NULL,
  csrf_hash CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
  last_used_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  expires_at DATETIME(3) NOT NULL,
  ended_at DATETIME(3) NULL,
  end_reason VARCHAR(40) NULL,
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  PRIMARY KEY (id),
  KEY sessions_tenant (tenant_id, user_id),
  KEY sessions_user (user_id, ended_at),
  KEY sessions_expiry (expires_at),
  CONSTRAINT sessions_user_fk FOREIGN KEY (user_id) REFERENCES users (id),
  CONSTRAINT sessions_tenant_fk FOREIGN KEY (tenant_id) REFERENCES tenants (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- down
DROP TABLE IF EXISTS sessions;
