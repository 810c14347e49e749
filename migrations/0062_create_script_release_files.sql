-- The files of a release.

-- up
CREATE TABLE IF NOT EXISTS script_release_files (
  release_id UUID NOT NULL,
  tenant_id UUID NOT NULL,
  path VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  content MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  PRIMARY KEY (release_id, path),
  CONSTRAINT script_release_files_release_fk FOREIGN KEY (release_id)
    REFERENCES script_releases (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- down
DROP TABLE IF EXISTS script_release_files;
