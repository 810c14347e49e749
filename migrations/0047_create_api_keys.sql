-- Keys for programs. They act for the person who made them, in one tenant; only hashes are kept.
-- After a rotation the key of before works until `previous_until`.

-- up
CREATE TABLE IF NOT EXISTS api_keys (
  id UUID NOT NULL,
  tenant_id UUID NOT NULL,
  user_id UUID NOT NULL,
  name VARCHAR(100) NOT NULL,
  prefix VARCHAR(12) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  key_hash CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  previous_hash CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
  previous_until DATETIME(3) NULL,
  scopes JSON NOT NULL,
  ip_allow_list JSON NOT NULL,
  expires_at DATETIME(3) NULL,
  last_used_at DATETIME(3) NULL,
  revoked_at DATETIME(3) NULL,
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  PRIMARY KEY (id),
  UNIQUE KEY api_keys_hash (key_hash),
  UNIQUE KEY api_keys_previous (previous_hash),
  KEY api_keys_created (tenant_id, created_at, id),
  KEY api_keys_user (user_id),
  CONSTRAINT api_keys_tenant_fk FOREIGN KEY (tenant_id) REFERENCES tenants (id),
  CONSTRAINT api_keys_user_fk FOREIGN KEY (user_id) REFERENCES users (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- down
DROP TABLE IF EXISTS api_keys;
