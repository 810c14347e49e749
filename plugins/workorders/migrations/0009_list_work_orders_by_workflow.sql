-- up
ALTER TABLE work_orders
  ADD KEY IF NOT EXISTS work_orders_workflow (tenant_id, workflow_release);

-- down
ALTER TABLE work_orders
  DROP KEY IF EXISTS work_orders_workflow;
