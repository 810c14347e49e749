-- The first answer to a POST that carried an Idempotency-Key, kept 24 h. `scope` is the SHA-256
-- of caller, method, path and key; `request_hash` tells the same key with another body. `owner`
-- is the request that may write the answer; once locked_until has passed another may take over.

-- up
CREATE TABLE IF NOT EXISTS idempotency_keys (
  scope CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  request_hash CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  owner UUID NOT NULL,
  state VARCHAR(10) NOT NULL DEFAULT 'running',
  locked_until DATETIME(3) NOT NULL,
  status SMALLINT NULL,
  headers JSON NULL,
  body LONGTEXT NULL,
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  expires_at DATETIME(3) NOT NULL,
  PRIMARY KEY (scope),
  KEY idempotency_keys_expiry (expires_at),
  CONSTRAINT idempotency_keys_state CHECK (state IN ('running', 'done'))
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- down
DROP TABLE IF EXISTS idempotency_keys;
