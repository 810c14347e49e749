-- Secrets that are good for one use: links in mails (verify, reset) and the second step of a
-- sign-in (mfa). Kept as SHA-256 (hex).

-- up
CREATE TABLE IF NOT EXISTS one_time_tokens (
  token_hash CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  purpose VARCHAR(20) NOT NULL,
  user_id UUID NOT NULL,
  data JSON NULL,
  used_at DATETIME(3) NULL,
  expires_at DATETIME(3) NOT NULL,
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  PRIMARY KEY (token_hash),
  KEY one_time_tokens_user (user_id, purpose, created_at),
  KEY one_time_tokens_expiry (expires_at),
  CONSTRAINT one_time_tokens_user_fk FOREIGN KEY (user_id) REFERENCES users (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- down
DROP TABLE IF EXISTS one_time_tokens;
