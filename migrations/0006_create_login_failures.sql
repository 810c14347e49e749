-- Failed sign-ins by address, known or not (as SHA-256, so that the table names nobody).
-- `locks` counts the locks in a row: each is longer than the one before.

-- up
CREATE TABLE IF NOT EXISTS login_failures (
  email_hash CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  failures INT NOT NULL DEFAULT 0,
  locks INT NOT NULL DEFAULT 0,
  locked_until DATETIME(3) NULL,
  updated_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
  PRIMARY KEY (email_hash),
  KEY login_failures_age (updated_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- down
DROP TABLE IF EXISTS login_failures;
