-- Who serves this deployment: every node writes its row every two seconds. A node is there when it
-- was seen within the last ten.

-- up
CREATE TABLE IF NOT EXISTS nodes (
  name VARCHAR(200) NOT NULL,
  seen_at DATETIME(3) NOT NULL,
  PRIMARY KEY (name)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- down
DROP TABLE IF EXISTS nodes;
