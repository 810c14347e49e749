-- The release of the tenant's scripts that a report was opened under, where that adds states.

-- up
ALTER TABLE reports
  ADD COLUMN IF NOT EXISTS workflow_release INT UNSIGNED NULL AFTER duplicate_of,
  ADD KEY IF NOT EXISTS reports_workflow (tenant_id, workflow_release);

-- down
ALTER TABLE reports
  DROP KEY IF EXISTS reports_workflow,
  DROP COLUMN IF EXISTS workflow_release;
