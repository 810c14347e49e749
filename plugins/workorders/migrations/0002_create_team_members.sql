-- up
CREATE TABLE IF NOT EXISTS team_members (
  tenant_id UUID NOT NULL,
  team_id UUID NOT NULL,
  user_id UUID NOT NULL,
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  PRIMARY KEY (tenant_id, team_id, user_id),
  KEY team_members_user (tenant_id, user_id),
  CONSTRAINT team_members_team FOREIGN KEY (tenant_id, team_id) REFERENCES teams (tenant_id, id),
  CONSTRAINT team_members_user_fk FOREIGN KEY (user_id) REFERENCES users (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- down
DROP TABLE IF EXISTS team_members;
