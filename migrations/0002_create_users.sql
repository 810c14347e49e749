-- People. An account belongs to no tenant; memberships say where it may act.
-- `email` is stored case-folded and is unique among the living.

-- up
CREATE TABLE IF NOT EXISTS users (
  id UUID NOT NULL,
  email VARCHAR(254) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  password_hash VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NULL,
  first_name VARCHAR(100) NOT NULL DEFAULT '',
  last_name VARCHAR(100) NOT NULL DEFAULT '',
  phone VARCHAR(32) NULL,
  user_type VARCHAR(20) NOT NULL DEFAULT 'public',
  platform_admin BOOLEAN NOT NULL DEFAULT FALSE,
  employee_data JSON NULL,
  email_verified BOOLEAN NOT NULL DEFAULT FALSE,
  status VARCHAR(20) NOT NULL DEFAULT 'active',
  mfa_enabled BOOLEAN NOT NULL DEFAULT FALSE,
  mfa_secret VARBINARY(255) NULL,
  mfa_last_step BIGINT NULL,
  avatar_file_id UUID NULL,
  last_login_at DATETIME(3) NULL,
  erased_at DATETIME(3) NULL,
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  updated_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3),
  deleted_at DATETIME(3) NULL,
  alive BOOLEAN AS (IF(deleted_at IS NULL, TRUE, NULL)) STORED,
  PRIMARY KEY (id),
  UNIQUE KEY users_email (email, alive),
  CONSTRAINT users_type CHECK (user_type IN ('public', 'employee', 'admin')),
  CONSTRAINT users_status CHECK (status IN ('active', 'inactive', 'banned'))
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- down
DROP TABLE IF EXISTS users;
