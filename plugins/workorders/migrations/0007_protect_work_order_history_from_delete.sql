-- up
CREATE TRIGGER IF NOT EXISTS work_order_history_no_delete BEFORE DELETE ON work_order_history
FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'work_order_history is append-only';

-- down
DROP TRIGGER IF EXISTS work_order_history_no_delete;
