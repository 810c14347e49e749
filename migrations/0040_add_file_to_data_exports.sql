-- The copy lies in the file store, like every other content, where any node finds it.

-- up
ALTER TABLE data_exports
  ADD COLUMN IF NOT EXISTS file_id UUID NULL AFTER state,
  ADD CONSTRAINT data_exports_file_fk FOREIGN KEY IF NOT EXISTS (file_id) REFERENCES files (id);

-- down
ALTER TABLE data_exports
  DROP FOREIGN KEY IF EXISTS data_exports_file_fk,
  DROP COLUMN IF EXISTS file_id;
