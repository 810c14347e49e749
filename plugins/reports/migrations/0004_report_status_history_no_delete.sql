-- up
CREATE TRIGGER IF NOT EXISTS report_status_history_no_delete
BEFORE DELETE ON report_status_history FOR EACH ROW
SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'report_status_history is append-only';

-- down
DROP TRIGGER IF EXISTS report_status_history_no_delete;
