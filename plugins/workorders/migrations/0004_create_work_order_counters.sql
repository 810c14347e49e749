-- The last number given per tenant and year. The row's lock is taken late and held to the commit,
-- so a rolled-back work order leaves no gap.

-- up
CREATE TABLE IF NOT EXISTS work_order_counters (
  tenant_id UUID NOT NULL,
  year SMALLINT UNSIGNED NOT NULL,
  last_number INT UNSIGNED NOT NULL,
  PRIMARY KEY (tenant_id, year),
  CONSTRAINT work_order_counters_tenant FOREIGN KEY (tenant_id) REFERENCES tenants (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- down
DROP TABLE IF EXISTS work_order_counters;
