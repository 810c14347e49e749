-- up
INSERT INTO event_epochs (id) VALUES (1) ON DUPLICATE KEY UPDATE id = id;

-- down
DELETE FROM event_epochs WHERE id = 1;
