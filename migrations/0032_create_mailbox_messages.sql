-- What would have left the house: the mailbox of development and tests. Its id is the delivery's,
-- so that no message is in it twice.

-- up
CREATE TABLE IF NOT EXISTS mailbox_messages (
  id UUID NOT NULL,
  channel VARCHAR(20) NOT NULL,
  recipient VARCHAR(320) NOT NULL,
  subject VARCHAR(500) NULL,
  text MEDIUMTEXT NULL,
  html MEDIUMTEXT NULL,
  sent_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  PRIMARY KEY (id),
  KEY mailbox_messages_recipient (recipient, sent_at),
  KEY mailbox_messages_age (sent_at)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- down
DROP TABLE IF EXISTS mailbox_messages;
