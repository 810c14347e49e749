-- Apart from the table itself: files refer to users too.

-- up
ALTER TABLE users ADD CONSTRAINT users_avatar_fk
  FOREIGN KEY IF NOT EXISTS (avatar_file_id) REFERENCES files (id);

-- down
ALTER TABLE users DROP FOREIGN KEY IF EXISTS users_avatar_fk;
