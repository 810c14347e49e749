-- Events that committed with their change and are not numbered yet. The relay empties it.

-- up
CREATE TABLE IF NOT EXISTS outbox (
  id BIGINT NOT NULL AUTO_INCREMENT,
  tenant_id UUID NOT NULL,
  event_id UUID NOT NULL,
  event VARCHAR(80) NOT NULL,
  resource_type VARCHAR(40) NOT NULL,
  resource_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  actor JSON NOT NULL,
  payload JSON NOT NULL,
  request_id VARCHAR(100) NULL,
  occurred_at DATETIME(3) NOT NULL,
  PRIMARY KEY (id),
  KEY outbox_tenant (tenant_id),
  CONSTRAINT outbox_tenant_fk FOREIGN KEY (tenant_id) REFERENCES tenants (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- down
DROP TABLE IF EXISTS outbox;
