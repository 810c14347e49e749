-- Who leads. The fencing token grows with every change of holder; work done under a lease checks
-- it in its own transaction, so a leader that slept through its lease cannot do harm.

-- up
CREATE TABLE IF NOT EXISTS leases (
  name VARCHAR(80) NOT NULL,
  holder VARCHAR(120) NOT NULL,
  fencing_token BIGINT NOT NULL,
  expires_at DATETIME(3) NOT NULL,
  PRIMARY KEY (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- down
DROP TABLE IF EXISTS leases;
