-- Invitations to a workspace: a secret that was mailed to an address, kept as SHA-256 (hex), good
-- for one use.

-- up
CREATE TABLE IF NOT EXISTS invitations (
  id UUID NOT NULL,
  tenant_id UUID NOT NULL,
  email VARCHAR(254) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  role VARCHAR(63) NOT NULL,
  token_hash CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  invited_by UUID NOT NULL,
  accepted_by UUID NULL,
  accepted_at DATETIME(3) NULL,
  revoked_at DATETIME(3) NULL,
  expires_at DATETIME(3) NOT NULL,
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  PRIMARY KEY (id),
  UNIQUE KEY invitations_token (token_hash),
  KEY invitations_address (tenant_id, email),
  KEY invitations_email (email),
  KEY invitations_inviter (invited_by),
  KEY invitations_expiry (expires_at),
  CONSTRAINT invitations_tenant_fk FOREIGN KEY (tenant_id) REFERENCES tenants (id),
  CONSTRAINT invitations_inviter_fk FOREIGN KEY (invited_by) REFERENCES users (id),
  CONSTRAINT invitations_user_fk FOREIGN KEY (accepted_by) REFERENCES users (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- down
DROP TABLE IF EXISTS invitations;
