-- The truth about what happened: numbered without holes in each tenant, kept 90 days.
-- `id` grows in the order of commits (one relay at a time), so it serves followers as a cursor.

-- up
CREATE TABLE IF NOT EXISTS event_log (
  id BIGINT NOT NULL AUTO_INCREMENT,
  tenant_id UUID NOT NULL,
  seq BIGINT NOT NULL,
  event_id UUID NOT NULL,
  event VARCHAR(80) NOT NULL,
  resource_type VARCHAR(40) NOT NULL,
  resource_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  actor JSON NOT NULL,
  payload JSON NOT NULL,
  request_id VARCHAR(100) NULL,
  occurred_at DATETIME(3) NOT NULL,
  recorded_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  PRIMARY KEY (id),
  UNIQUE KEY event_log_seq (tenant_id, seq),
  UNIQUE KEY event_log_event (tenant_id, event_id),
  KEY event_log_resource (tenant_id, resource_type, resource_id, seq),
  CONSTRAINT event_log_tenant_fk FOREIGN KEY (tenant_id) REFERENCES tenants (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- down
DROP TABLE IF EXISTS event_log;
