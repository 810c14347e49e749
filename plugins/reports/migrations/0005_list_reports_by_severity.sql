-- A list of a rare severity must not read through all of the tenant's reports.

-- up
ALTER TABLE reports ADD KEY IF NOT EXISTS reports_severity (tenant_id, severity_level, created_at);

-- down
ALTER TABLE reports DROP KEY IF EXISTS reports_severity;
