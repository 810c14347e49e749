-- What an administrator of the tenant decided about a member. An account belongs to no tenant, so
-- one tenant's ban ends there; `is_active` says whether the member may act, and follows `status`.
-- A tenant may name roles of its own now: none is `owner` because it only looks like it.

-- up
ALTER TABLE user_tenants
  MODIFY COLUMN role VARCHAR(63) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  ADD COLUMN IF NOT EXISTS status VARCHAR(20) NOT NULL DEFAULT 'active'
    CHECK (status IN ('active', 'inactive', 'banned', 'removed')) AFTER permissions;

-- down
ALTER TABLE user_tenants
  MODIFY COLUMN role VARCHAR(63) NOT NULL,
  DROP COLUMN IF EXISTS status;
