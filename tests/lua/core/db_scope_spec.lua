local db_scope = require("core.db_scope")

local TABLES = db_scope.learn({
  { name = "reports", tenant_column = "tenant_id" },
  { name = "work_orders", tenant_column = "tenant_id" },
  { name = "preferences", tenant_column = "tenant_id" },
  { name = "counters", tenant_column = "tenant_id" },
  { name = "users" },
  { name = "tenants" },
}, {
  { name = "reports", key_name = "PRIMARY", column_name = "id" },
  { name = "reports", key_name = "reports_code", column_name = "tracking_code" },
  { name = "preferences", key_name = "PRIMARY", column_name = "tenant_id" },
  { name = "preferences", key_name = "PRIMARY", column_name = "user_id" },
  { name = "counters", key_name = "PRIMARY", column_name = "id" },
  { name = "counters", key_name = "counters_year", column_name = "tenant_id" },
  { name = "counters", key_name = "counters_year", column_name = "year" },
})

local function passes(sql)
  local plan, unknown = db_scope.compile(sql, TABLES)
  assert.is_nil(unknown)
  assert.is_table(plan)
  return plan
end

local function refuses(sql)
  local ok, err = pcall(db_scope.compile, sql, TABLES)
  assert.is_false(ok, "passed: " .. sql)
  assert.is_string(err)
  return err
end

describe("a plan", function()
  it("puts the tenant wherever it is named and counts the other parameters", function()
    local plan = passes("SELECT ? FROM reports r WHERE r.tenant_id = :tenant AND r.id = ?")
    assert.equal("SELECT ? FROM reports r WHERE r.tenant_id = ? AND r.id = ?", plan.sql)
    assert.same({ 1, 0, 2 }, plan.sources)
    assert.equal(2, plan.given)
  end)

  it("leaves :tenant and ? inside of text and comments alone", function()
    local plan = passes([[SELECT ':tenant ?' /* :tenant ? */ FROM reports -- :tenant ?
      WHERE tenant_id = :tenant]])
    assert.same({ 0 }, plan.sources)
    assert.equal(0, plan.given)
  end)

  it("needs no tenant for tables that have none", function()
    local plan = passes("SELECT id FROM users WHERE email = ?")
    assert.is_nil(plan.sources)
    assert.equal(1, plan.given)
  end)

  it("names a table that it does not know", function()
    local plan, unknown = db_scope.compile("SELECT 1 FROM nowhere", TABLES)
    assert.is_nil(plan)
    assert.equal("nowhere", unknown)
  end)

  it("only replaces :tenant when there is nothing to prove", function()
    local plan = db_scope.compile("SELECT * FROM reports WHERE tenant_id = :tenant", nil)
    assert.same({ 0 }, plan.sources)
  end)
end)

describe("SELECT passes", function()
  for _, sql in ipairs({
    "SELECT id FROM reports WHERE tenant_id = :tenant",
    "select ID from Reports where TENANT_ID = :tenant",
    "SELECT id FROM `reports` WHERE `tenant_id` = :tenant",
    "SELECT r.id FROM reports AS r WHERE r.tenant_id = :tenant AND (r.a = ? OR r.b = ?)",
    "SELECT r.id FROM reports r WHERE r.a = ? AND (r.tenant_id = :tenant AND r.b = ?)",
    "SELECT r.id FROM reports r WHERE r.a BETWEEN ? AND ? AND r.tenant_id = :tenant",
    "SELECT CASE WHEN a = 1 OR b = 2 THEN 'x' END FROM reports WHERE tenant_id = :tenant",
    "SELECT id FROM reports WHERE tenant_id = :tenant AND CASE WHEN a OR b THEN 1 ELSE 0 END = 1",
    "SELECT id FROM reports WHERE tenant_id = :tenant GROUP BY id HAVING COUNT(*) > 1 "
      .. "ORDER BY id DESC LIMIT ? OFFSET ?",
    "SELECT id FROM reports WHERE tenant_id = :tenant ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED",
    "SELECT r.id, w.id FROM reports r JOIN work_orders w ON w.report_id = r.id "
      .. "AND w.tenant_id = :tenant WHERE r.tenant_id = :tenant",
    "SELECT r.id FROM reports r LEFT JOIN work_orders w ON w.tenant_id = :tenant "
      .. "AND w.report_id = r.id WHERE r.tenant_id = :tenant",
    "SELECT r.id FROM reports r LEFT JOIN (work_orders w JOIN users u ON u.id = w.user_id) "
      .. "ON w.report_id = r.id AND w.tenant_id = :tenant WHERE r.tenant_id = :tenant",
    "SELECT a.id FROM reports a, reports b WHERE a.tenant_id = :tenant AND b.tenant_id = :tenant",
    "SELECT u.id FROM users u LEFT JOIN reports r ON r.reporter_id = u.id "
      .. "AND r.tenant_id = :tenant",
    "SELECT id FROM reports USE INDEX (reports_cell) WHERE tenant_id = :tenant",
    "SELECT id FROM reports r FORCE INDEX FOR ORDER BY (a, b) WHERE r.tenant_id = :tenant",
    "SELECT (SELECT COUNT(*) FROM work_orders w WHERE w.tenant_id = :tenant AND w.report_id = r.id)"
      .. " FROM reports r WHERE r.tenant_id = :tenant",
    "SELECT id FROM reports r WHERE r.tenant_id = :tenant AND EXISTS (SELECT 1 FROM work_orders w "
      .. "WHERE w.report_id = r.id AND w.tenant_id = :tenant)",
    "SELECT x.id FROM (SELECT id FROM reports WHERE tenant_id = :tenant) AS x",
    "SELECT id FROM reports WHERE tenant_id = :tenant UNION ALL "
      .. "SELECT id FROM work_orders WHERE tenant_id = :tenant ORDER BY 1",
    "(SELECT id FROM reports WHERE tenant_id = :tenant LIMIT 1) UNION "
      .. "(SELECT id FROM work_orders WHERE tenant_id = :tenant)",
    "WITH mine AS (SELECT id FROM reports WHERE tenant_id = :tenant) SELECT * FROM mine",
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT i FROM n",
    "SELECT EXTRACT(YEAR FROM created_at), TRIM(LEADING 'x' FROM title) FROM reports "
      .. "WHERE tenant_id = :tenant",
    "SELECT GROUP_CONCAT(id ORDER BY id SEPARATOR ',') FROM reports WHERE tenant_id = :tenant",
    "SELECT ROW_NUMBER() OVER (PARTITION BY status ORDER BY id) FROM reports "
      .. "WHERE tenant_id = :tenant",
    "SELECT LEFT(title, 3), RIGHT(title, 2) FROM reports r JOIN users u ON LEFT(u.a, 1) = r.b "
      .. "WHERE r.tenant_id = :tenant",
    "SELECT j.x FROM reports r JOIN JSON_TABLE(r.metadata, '$[*]' COLUMNS (x INT PATH '$.x')) AS j "
      .. "WHERE r.tenant_id = :tenant",
    "SELECT id FROM reports WHERE tenant_id = :tenant AND title = 'it''s \\' OR 1=1 -- '",
    "SELECT 1",
    "SELECT 1 FROM dual",
  }) do
    it(sql, function()
      passes(sql)
    end)
  end
end)

describe("SELECT is refused when", function()
  for why, sql in pairs({
    ["nothing binds the table"] = "SELECT id FROM reports",
    ["another column is compared"] = "SELECT id FROM reports WHERE id = :tenant",
    ["the tenant comes as a parameter"] = "SELECT id FROM reports WHERE tenant_id = ?",
    ["the comparison is another one"] = "SELECT id FROM reports WHERE tenant_id <> :tenant",
    ["it is not equality but null-safe"] = "SELECT id FROM reports WHERE tenant_id <=> :tenant",
    ["OR lets other rows through"] = "SELECT id FROM reports WHERE tenant_id = :tenant OR 1 = 1",
    ["OR binds looser than AND"] =
      "SELECT id FROM reports WHERE tenant_id = :tenant AND a = 1 OR b = 2",
    ["|| is OR"] = "SELECT id FROM reports WHERE tenant_id = :tenant || 1",
    ["XOR turns it round"] = "SELECT id FROM reports WHERE tenant_id = :tenant XOR 1",
    ["OR is inside parentheses"] = "SELECT id FROM reports WHERE (tenant_id = :tenant OR 1) AND a",
    ["it is negated"] = "SELECT id FROM reports WHERE NOT tenant_id = :tenant",
    ["the group is negated"] = "SELECT id FROM reports WHERE NOT (tenant_id = :tenant)",
    ["it is negated by !"] = "SELECT id FROM reports WHERE !(tenant_id = :tenant)",
    ["it is compared further"] = "SELECT id FROM reports WHERE tenant_id = :tenant = 0",
    ["it is tested further"] = "SELECT id FROM reports WHERE tenant_id = :tenant IS FALSE",
    ["it is the end of BETWEEN"] =
      "SELECT id FROM reports WHERE a BETWEEN 0 AND tenant_id = :tenant",
    ["it is inside CASE"] =
      "SELECT id FROM reports WHERE CASE WHEN a AND tenant_id = :tenant AND b THEN 1 ELSE 1 END",
    ["it is an argument"] = "SELECT id FROM reports WHERE IFNULL(tenant_id = :tenant, 1)",
    ["it is only in a comment"] = "SELECT id FROM reports WHERE 1 /* AND tenant_id = :tenant */",
    ["it is only in a line comment"] = "SELECT id FROM reports WHERE 1 -- AND tenant_id = :tenant",
    ["it is only after a hash"] = "SELECT id FROM reports WHERE 1 # AND tenant_id = :tenant",
    ["it is only in text"] = "SELECT id FROM reports WHERE 'tenant_id = :tenant'",
    ["text ends later than it seems"] =
      "SELECT id FROM reports WHERE 'a\\' AND tenant_id = :tenant AND '",
    ["a comment is executed"] = "SELECT id FROM reports WHERE tenant_id = :tenant /*! OR 1 */",
    ["a comment is executed by MariaDB"] =
      "SELECT id FROM reports WHERE tenant_id = :tenant /*M! OR 1 */",
    ["two dashes are two minus signs"] =
      "SELECT id FROM reports WHERE a = 1--1 OR tenant_id = :tenant",
    ["it stands in HAVING"] = "SELECT id FROM reports HAVING tenant_id = :tenant",
    ["it stands in the select list"] = "SELECT tenant_id = :tenant FROM reports",
    ["it stands in ORDER BY"] = "SELECT id FROM reports ORDER BY tenant_id = :tenant",
    ["only one of two tables is bound"] =
      "SELECT 1 FROM reports r JOIN work_orders w ON w.report_id = r.id "
      .. "WHERE r.tenant_id = :tenant",
    ["only one of two aliases is bound"] =
      "SELECT 1 FROM reports a JOIN reports b ON a.id = b.id WHERE a.tenant_id = :tenant",
    ["the column is not qualified among two tables"] =
      "SELECT 1 FROM reports r JOIN users u ON u.id = r.reporter_id WHERE tenant_id = :tenant",
    ["aliases differ in case"] =
      "SELECT 1 FROM reports R JOIN users r ON r.id = R.reporter_id WHERE r.tenant_id = :tenant",
    ["the table's name is hidden by its alias"] =
      "SELECT 1 FROM reports r JOIN users u ON 1 WHERE reports.tenant_id = :tenant",
    ["the columns are compared with each other"] =
      "SELECT 1 FROM reports r JOIN work_orders w ON w.tenant_id = r.tenant_id "
      .. "WHERE r.tenant_id = :tenant",
    ["the ON of a LEFT JOIN does not limit the left side"] =
      "SELECT 1 FROM reports r LEFT JOIN users u ON u.id = r.reporter_id AND r.tenant_id = :tenant",
    ["a comma hides a second table"] =
      "SELECT 1 FROM reports r, work_orders w WHERE r.tenant_id = :tenant",
    ["parentheses hide a second table"] =
      "SELECT 1 FROM (reports r JOIN work_orders w ON 1) WHERE r.tenant_id = :tenant",
    ["a STRAIGHT_JOIN hides one"] =
      "SELECT 1 FROM reports r STRAIGHT_JOIN work_orders w WHERE r.tenant_id = :tenant",
    ["a CROSS JOIN hides one"] =
      "SELECT 1 FROM reports r CROSS JOIN work_orders w WHERE r.tenant_id = :tenant",
    ["a RIGHT JOIN keeps rows"] =
      "SELECT 1 FROM reports r RIGHT JOIN users u ON r.tenant_id = :tenant",
    ["a NATURAL JOIN"] =
      "SELECT 1 FROM reports NATURAL JOIN users WHERE reports.tenant_id = :tenant",
    ["USING is no binding"] =
      "SELECT 1 FROM reports r JOIN work_orders w USING (tenant_id) WHERE r.tenant_id = :tenant",
    ["a second ON follows"] =
      "SELECT 1 FROM users u JOIN users v JOIN reports r ON 1 ON r.tenant_id = :tenant",
    ["a subquery is not bound"] =
      "SELECT (SELECT COUNT(*) FROM work_orders) FROM reports WHERE tenant_id = :tenant",
    ["an EXISTS is not bound"] = "SELECT id FROM reports r WHERE r.tenant_id = :tenant "
      .. "AND EXISTS (SELECT 1 FROM work_orders w WHERE w.report_id = r.id)",
    ["an IN is not bound"] =
      "SELECT id FROM users WHERE id IN (SELECT reporter_id FROM reports)",
    ["a function's argument is not bound"] =
      "SELECT id FROM users WHERE id = COALESCE((SELECT reporter_id FROM reports LIMIT 1), 1)",
    ["a CASE is not bound"] =
      "SELECT CASE WHEN (SELECT COUNT(*) FROM reports) > 1 THEN 1 END FROM users",
    ["a subquery in ON is not bound"] =
      "SELECT 1 FROM users u JOIN users v ON v.id = (SELECT reporter_id FROM reports)",
    ["a subquery in LIMIT's place is not bound"] =
      "SELECT 1 FROM users ORDER BY (SELECT COUNT(*) FROM reports)",
    ["the inner binding is of the outer table"] =
      "SELECT 1 FROM reports r WHERE EXISTS "
      .. "(SELECT 1 FROM work_orders w WHERE r.tenant_id = :tenant)",
    ["the outer binding is of the inner table"] =
      "SELECT 1 FROM reports r WHERE r.tenant_id = :tenant "
      .. "AND EXISTS (SELECT 1 FROM reports r WHERE r.id = 1)",
    ["a derived table is not bound"] =
      "SELECT x.id FROM (SELECT * FROM reports) AS x WHERE x.tenant_id = :tenant",
    ["one half of a UNION is not bound"] =
      "SELECT id FROM reports WHERE tenant_id = :tenant UNION SELECT id FROM work_orders",
    ["a UNION in parentheses is not bound"] =
      "(SELECT id FROM reports WHERE tenant_id = :tenant) UNION (SELECT id FROM work_orders)",
    ["one half of an EXCEPT is not bound"] =
      "SELECT id FROM reports EXCEPT SELECT id FROM reports WHERE tenant_id = :tenant",
    ["a UNION follows ORDER BY's LIMIT"] = "SELECT 1 LIMIT 1 UNION SELECT id FROM reports",
    ["a common table expression is not bound"] =
      "WITH x AS (SELECT * FROM reports) SELECT * FROM x WHERE x.tenant_id = :tenant",
    ["a common table expression only borrows the name"] =
      "WITH reports AS (SELECT * FROM reports) SELECT * FROM reports",
    ["a common table expression is used beside the table"] =
      "WITH x AS (SELECT 1) SELECT * FROM x JOIN reports r ON 1",
    ["a schema is named"] = "SELECT id FROM fixxit.reports WHERE tenant_id = :tenant",
    ["a schema is quoted"] = "SELECT id FROM `fixxit`.`reports` WHERE tenant_id = :tenant",
    ["other schemas are read"] = "SELECT 1 FROM information_schema.tables",
    ["the table is quoted and unbound"] = "SELECT id FROM `reports`",
    ["double quotes could be a name"] =
      'SELECT id FROM reports WHERE "x" = 1 AND tenant_id = :tenant',
    ["a variable is used"] = "SELECT id FROM reports WHERE tenant_id = :tenant AND @x = 1",
    ["a variable is set"] = "SELECT id FROM reports WHERE @x := 1 AND tenant_id = :tenant",
    ["a second statement follows"] = "SELECT id FROM reports WHERE tenant_id = :tenant; SELECT 1",
    ["it writes a file"] = "SELECT id INTO OUTFILE '/tmp/x' FROM reports WHERE tenant_id = :tenant",
    ["it writes a file at the end"] =
      "SELECT id FROM reports WHERE tenant_id = :tenant INTO OUTFILE '/tmp/x'",
    ["another name is used"] = "SELECT id FROM reports WHERE tenant_id = :tenants",
    ["a quote is open"] = "SELECT id FROM reports WHERE tenant_id = :tenant AND a = '",
    ["a parenthesis is open"] = "SELECT id FROM reports WHERE (tenant_id = :tenant",
    ["a parenthesis closes too much"] = "SELECT id FROM reports WHERE tenant_id = :tenant)",
    ["old rows are read"] = "SELECT id FROM reports FOR SYSTEM_TIME ALL WHERE tenant_id = :tenant",
    ["a partition is read"] = "SELECT id FROM reports PARTITION (p0) WHERE tenant_id = :tenant",
    ["a window is named"] =
      "SELECT id FROM reports WHERE tenant_id = :tenant WINDOW w AS (ORDER BY id)",
    ["an alias hides a word"] = "SELECT id FROM reports r x WHERE r.tenant_id = :tenant",
    ["ODBC syntax"] = "SELECT 1 FROM {OJ reports r LEFT OUTER JOIN users u ON 1}",
    ["it is empty"] = "",
  }) do
    it(why, function()
      refuses(sql)
    end)
  end
end)

describe("INSERT passes", function()
  for _, sql in ipairs({
    "INSERT INTO reports (id, tenant_id, title) VALUES (?, :tenant, ?)",
    "INSERT IGNORE INTO reports (tenant_id, id) VALUES (:tenant, ?), (:tenant, ?)",
    "INSERT INTO `reports` (`id`, `TENANT_ID`) VALUES (UUID(), :tenant) RETURNING id",
    "INSERT INTO reports SET id = ?, tenant_id = :tenant",
    "INSERT INTO reports (id, tenant_id) SELECT w.id, :tenant FROM work_orders w "
      .. "WHERE w.tenant_id = :tenant",
    "INSERT INTO reports (id, tenant_id) SELECT DISTINCT u.id, :tenant AS tenant_id FROM users u",
    "INSERT INTO preferences (tenant_id, user_id, data) VALUES (:tenant, ?, ?) "
      .. "ON DUPLICATE KEY UPDATE data = VALUES(data)",
    "INSERT INTO counters (id, tenant_id, year, n) VALUES (?, :tenant, ?, 1) "
      .. "ON DUPLICATE KEY UPDATE n = n + 1",
    "INSERT INTO users (id) VALUES (?) ON DUPLICATE KEY UPDATE id = id",
    "INSERT INTO users VALUES (?, ?)",
    "INSERT INTO users (id) SELECT reporter_id FROM reports WHERE tenant_id = :tenant",
  }) do
    it(sql, function()
      passes(sql)
    end)
  end
end)

describe("INSERT is refused when", function()
  for why, sql in pairs({
    ["tenant_id is not listed"] = "INSERT INTO reports (id, title) VALUES (?, ?)",
    ["no columns are listed"] = "INSERT INTO reports VALUES (?, :tenant)",
    ["tenant_id is a parameter"] = "INSERT INTO reports (id, tenant_id) VALUES (?, ?)",
    ["the tenant is in the wrong place"] =
      "INSERT INTO reports (id, tenant_id) VALUES (:tenant, ?)",
    ["one row has another tenant"] =
      "INSERT INTO reports (id, tenant_id) VALUES (?, :tenant), (?, ?)",
    ["the tenant is part of an expression"] =
      "INSERT INTO reports (id, tenant_id) VALUES (?, COALESCE(?, :tenant))",
    ["a value reads another tenant"] =
      "INSERT INTO users (id) VALUES ((SELECT reporter_id FROM reports LIMIT 1))",
    ["SELECT gives another tenant"] =
      "INSERT INTO reports (id, tenant_id) SELECT id, tenant_id FROM work_orders "
      .. "WHERE tenant_id = :tenant",
    ["SELECT gives columns that nobody counted"] =
      "INSERT INTO reports (a, tenant_id, b) SELECT u.*, :tenant, u.x FROM users u",
    ["SELECT gives too few columns"] =
      "INSERT INTO reports (a, tenant_id, b) SELECT u.a, :tenant FROM users u",
    ["SELECT reads without binding"] =
      "INSERT INTO reports (id, tenant_id) SELECT id, :tenant FROM work_orders",
    ["the second SELECT gives another tenant"] =
      "INSERT INTO reports (id, tenant_id) SELECT 1, :tenant UNION SELECT 2, 3",
    ["SET gives another tenant"] = "INSERT INTO reports SET id = ?, tenant_id = ?",
    ["SET gives none"] = "INSERT INTO reports SET id = ?",
    ["the upsert moves the row"] =
      "INSERT INTO preferences (tenant_id, user_id) VALUES (:tenant, ?) "
      .. "ON DUPLICATE KEY UPDATE tenant_id = VALUES(tenant_id)",
    ["the upsert could meet another tenant's row"] =
      "INSERT INTO reports (id, tenant_id) VALUES (?, :tenant) ON DUPLICATE KEY UPDATE title = ?",
    ["the upsert reads another tenant"] =
      "INSERT INTO preferences (tenant_id, user_id) VALUES (:tenant, ?) "
      .. "ON DUPLICATE KEY UPDATE data = (SELECT title FROM reports LIMIT 1)",
    ["it replaces"] = "REPLACE INTO reports (id, tenant_id) VALUES (?, :tenant)",
    ["a schema is named"] = "INSERT INTO fixxit.reports (id, tenant_id) VALUES (?, :tenant)",
    ["RETURNING reads another tenant"] =
      "INSERT INTO users (id) VALUES (?) RETURNING (SELECT COUNT(*) FROM reports)",
  }) do
    it(why, function()
      refuses(sql)
    end)
  end
end)

describe("UPDATE and DELETE pass", function()
  for _, sql in ipairs({
    "UPDATE reports SET title = ?, version = version + 1 WHERE tenant_id = :tenant AND id = ?",
    "UPDATE reports r SET r.title = ? WHERE r.tenant_id = :tenant ORDER BY r.id LIMIT 1",
    "UPDATE reports r JOIN work_orders w ON w.report_id = r.id AND w.tenant_id = :tenant "
      .. "SET r.status = ? WHERE r.tenant_id = :tenant",
    "UPDATE reports SET n = (SELECT COUNT(*) FROM work_orders w WHERE w.tenant_id = :tenant) "
      .. "WHERE tenant_id = :tenant",
    "UPDATE users SET name = ? WHERE id = ?",
    "DELETE FROM reports WHERE tenant_id = :tenant AND id = ?",
    "DELETE r FROM reports r JOIN users u ON u.id = r.reporter_id WHERE r.tenant_id = :tenant",
    "DELETE FROM reports WHERE tenant_id = :tenant ORDER BY id LIMIT 10 RETURNING id",
  }) do
    it(sql, function()
      passes(sql)
    end)
  end
end)

describe("UPDATE and DELETE are refused when", function()
  for why, sql in pairs({
    ["UPDATE has no WHERE"] = "UPDATE reports SET title = ?",
    ["UPDATE binds in SET only"] = "UPDATE reports SET tenant_id = :tenant",
    ["UPDATE moves the row"] = "UPDATE reports SET tenant_id = :tenant WHERE tenant_id = :tenant",
    ["UPDATE moves the row by alias"] =
      "UPDATE reports r SET r.tenant_id = ? WHERE r.tenant_id = :tenant",
    ["UPDATE moves the row in quotes"] =
      "UPDATE reports SET `tenant_id` = ? WHERE tenant_id = :tenant",
    ["UPDATE has OR"] = "UPDATE reports SET a = 1 WHERE tenant_id = :tenant OR id = ?",
    ["UPDATE joins an unbound table"] =
      "UPDATE reports r JOIN work_orders w ON w.report_id = r.id SET w.status = 'x' "
      .. "WHERE r.tenant_id = :tenant",
    ["UPDATE lists an unbound table"] =
      "UPDATE reports r, work_orders w SET w.a = 1 WHERE r.tenant_id = :tenant",
    ["UPDATE reads an unbound table"] =
      "UPDATE reports SET a = (SELECT COUNT(*) FROM work_orders) WHERE tenant_id = :tenant",
    ["UPDATE's WHERE reads an unbound table"] =
      "UPDATE users SET a = 1 WHERE id IN (SELECT reporter_id FROM reports)",
    ["UPDATE names a schema"] = "UPDATE fixxit.reports SET a = 1 WHERE tenant_id = :tenant",
    ["DELETE has no WHERE"] = "DELETE FROM reports",
    ["DELETE has OR"] = "DELETE FROM reports WHERE tenant_id = :tenant OR 1",
    ["DELETE joins an unbound table"] =
      "DELETE w FROM reports r JOIN work_orders w ON w.report_id = r.id "
      .. "WHERE r.tenant_id = :tenant",
    ["DELETE uses USING"] =
      "DELETE FROM reports USING reports JOIN work_orders WHERE reports.tenant_id = :tenant",
    ["DELETE of history"] = "DELETE HISTORY FROM reports BEFORE SYSTEM_TIME NOW()",
    ["RETURNING reads another tenant"] =
      "DELETE FROM users WHERE id = ? RETURNING (SELECT COUNT(*) FROM reports)",
    ["it is another statement"] = "TRUNCATE TABLE reports",
    ["it is a call"] = "CALL purge(:tenant)",
    ["it is DDL"] = "DROP TABLE reports",
    ["it loads a file"] = "LOAD DATA INFILE 'x' INTO TABLE reports",
    ["it explains"] = "EXPLAIN SELECT * FROM reports",
    ["it sets"] = "SET SESSION sql_mode = 'ANSI_QUOTES'",
    ["it locks"] = "LOCK TABLES reports READ",
    ["it hands over"] = "HANDLER reports OPEN",
    ["it lists values"] = "VALUES (1), ((SELECT COUNT(*) FROM reports))",
  }) do
    it(why, function()
      refuses(sql)
    end)
  end
end)

describe("whatever is cut off or mixed up", function()
  local statement = "SELECT r.id FROM reports r LEFT JOIN work_orders w ON w.report_id = r.id AND "
    .. "w.tenant_id = :tenant WHERE r.tenant_id = :tenant AND r.a IN (SELECT id FROM users)"

  it("is refused or bound, and never crashes", function()
    for length = 0, #statement do
      local ok, err = pcall(db_scope.compile, statement:sub(1, length), TABLES)
      if not ok then
        assert.is_string(err)
        assert.matches("^db: ", err)
      end
    end
  end)

  it("is refused without any one of its bindings", function()
    refuses((statement:gsub("w%.tenant_id = :tenant", "1")))
    refuses((statement:gsub("r%.tenant_id = :tenant", "1")))
    passes(statement)
  end)
end)
