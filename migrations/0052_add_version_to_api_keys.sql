-- Counts the changes of a key, not its uses: what If-Match compares.

-- up
ALTER TABLE api_keys ADD COLUMN IF NOT EXISTS version INT UNSIGNED NOT NULL DEFAULT 1 AFTER ip_allow_list;

-- down
ALTER TABLE api_keys DROP COLUMN IF EXISTS version;
