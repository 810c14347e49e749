-- What was kept for 90 days goes without looking at the rest.

-- up
ALTER TABLE event_log ADD KEY IF NOT EXISTS event_log_old (recorded_at);

-- down
ALTER TABLE event_log DROP KEY IF EXISTS event_log_old;
