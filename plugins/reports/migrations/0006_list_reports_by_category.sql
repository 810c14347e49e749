-- A list of a rare category must not read through all of the tenant's reports.

-- up
ALTER TABLE reports ADD KEY IF NOT EXISTS reports_category (tenant_id, category, created_at);

-- down
ALTER TABLE reports DROP KEY IF EXISTS reports_category;
