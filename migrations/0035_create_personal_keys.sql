-- A key per person, itself sealed. What the audit trail knows of a person is encrypted with it;
-- erasing the person destroys the key (NULL), and the rows stay as they are.

-- up
CREATE TABLE IF NOT EXISTS personal_keys (
  user_id UUID NOT NULL,
  sealed_key VARBINARY(100) NULL,
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  destroyed_at DATETIME(3) NULL,
  PRIMARY KEY (user_id),
  CONSTRAINT personal_keys_user_fk FOREIGN KEY (user_id) REFERENCES users (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- down
DROP TABLE IF EXISTS personal_keys;
