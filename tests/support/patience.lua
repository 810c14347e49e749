--- By how much tests wait longer than usual: $TEST_PATIENCE, for slow runs such as under ASan.
return math.max(1, tonumber(os.getenv("TEST_PATIENCE")) or 1)
