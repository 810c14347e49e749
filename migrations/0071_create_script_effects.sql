-- What a run of a script has done: the nth write that a handler asked for because of `cause` (an
-- event, a step of a clock). The row commits with the write; a retry finds it and gets `result`.

-- up
CREATE TABLE IF NOT EXISTS script_effects (
  tenant_id UUID NOT NULL,
  cause VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  handler VARCHAR(320) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  ordinal INT NOT NULL,
  capability VARCHAR(80) NOT NULL,
  digest CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  result MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  PRIMARY KEY (tenant_id, cause, handler, ordinal),
  KEY script_effects_old (created_at),
  CONSTRAINT script_effects_tenant_fk FOREIGN KEY (tenant_id) REFERENCES tenants (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- down
DROP TABLE IF EXISTS script_effects;
