-- A capability is called while the file is loaded.
-- outcome: SCRIPT_ERROR
-- says: cannot be called while the file is loaded
-- line: 6

capability("x", {})
