-- The last sequence number given out in each tenant. Only the relay writes here.

-- up
CREATE TABLE IF NOT EXISTS event_counters (
  tenant_id UUID NOT NULL,
  seq BIGINT NOT NULL,
  PRIMARY KEY (tenant_id),
  CONSTRAINT event_counters_tenant_fk FOREIGN KEY (tenant_id) REFERENCES tenants (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- down
DROP TABLE IF EXISTS event_counters;
