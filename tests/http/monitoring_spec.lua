-- The dashboard and the alerts ask only for metrics and labels that /metrics has.
local cjson = require("cjson")
local exposition = require("tests.support.exposition")
local servers = require("tests.support.server")

-- Set by Prometheus itself when it scrapes.
local OF_SCRAPE = { job = true, instance = true }
local KNOWN_ELSEWHERE = { up = true }

-- name -> set of label names, as /metrics tells them.
local function offered(text)
  local labels = {}
  for _, sample in ipairs(exposition.parse(text)) do
    labels[sample.name] = labels[sample.name] or {}
    for name in pairs(sample.labels) do
      labels[sample.name][name] = true
    end
  end
  return labels
end

local function dashboard_queries()
  local dashboard = cjson.decode(servers.read_file("config/grafana/fixxit.json"))
  local queries = {}
  for _, panel in ipairs(dashboard.panels) do
    for _, target in ipairs(panel.targets or {}) do
      queries[#queries + 1] = { where = panel.title, text = target.expr, legend = target.legendFormat }
    end
  end
  for _, variable in ipairs(dashboard.templating.list) do
    local asked = variable.query:match("^label_values%((.*), [%a_]+%)$")
    if asked then
      queries[#queries + 1] = { where = variable.name, text = asked }
    end
  end
  return queries, dashboard
end

local function alerts()
  local text = servers.read_file("config/prometheus/alerts.yml")
  local rules = {}
  for block in (text .. "\n      - alert:"):gmatch("alert: (.-)\n      %- ") do
    rules[#rules + 1] = { where = block:match("^%w+"), text = block:match("\n        expr: ([^\n]+)"),
      block = block }
  end
  return rules, select(2, text:gsub("%- alert:", ""))
end

-- What is wrong with a query.
local function problems_of(query, labels)
  local problems, used = {}, {}
  local function problem(...)
    problems[#problems + 1] = query.where .. ": " .. table.concat({ ... }, " ")
  end
  local plain = query.text:gsub('"[^"]*"', '""')
  for name in plain:gmatch("[%a_][%w_]*") do
    if name:find("^fixxit_") then
      used[#used + 1] = name
      if not labels[name] then
        problem("there is no", name)
      end
    end
  end
  for name, matchers in plain:gmatch("([%a_][%w_]*){([^}]*)}") do
    for label in matchers:gmatch("([%a_]+)[=!]") do
      if not OF_SCRAPE[label] and not (labels[name] or {})[label] then
        problem(name, "has no label", label)
      end
    end
  end
  local function of_any(label)
    for _, name in ipairs(used) do
      if (labels[name] or {})[label] then
        return true
      end
    end
    return OF_SCRAPE[label]
  end
  for list in plain:gmatch("%f[%a]by %(([^)]*)%)") do
    for label in list:gmatch("[%a_]+") do
      if not of_any(label) then
        problem("nothing has a label", label)
      end
    end
  end
  for label in (query.legend or ""):gmatch("{{([%a_]+)}}") do
    if not of_any(label) then
      problem("nothing has a label", label)
    end
  end
  if #used == 0 and not KNOWN_ELSEWHERE[plain:match("^[%a_]+")] then
    problem("asks for nothing of ours")
  end
  return problems
end

describe("monitoring", function()
  local server, labels

  setup(function()
    server = servers.start()
    server.api:get("/health")
    labels = offered(server.api:get("/metrics", { root = true }).body)
  end)

  teardown(function()
    server:stop()
  end)

  local function assert_answered(queries)
    local problems = {}
    for _, query in ipairs(queries) do
      for _, text in ipairs(problems_of(query, labels)) do
        problems[#problems + 1] = text
      end
    end
    assert.same({}, problems)
  end

  it("has a dashboard that asks for what /metrics has", function()
    local queries = dashboard_queries()
    assert.truthy(#queries > 30)
    assert_answered(queries)
  end)

  it("has panels that overlap nowhere, each explained", function()
    local _, dashboard = dashboard_queries()
    local taken, ids = {}, {}
    for _, panel in ipairs(dashboard.panels) do
      assert.is_nil(ids[panel.id])
      ids[panel.id] = true
      assert.truthy(panel.type == "row" or #panel.description > 0, panel.title)
      local place = panel.gridPos
      assert.truthy(place.x + place.w <= 24)
      for x = place.x, place.x + place.w - 1 do
        for y = place.y, place.y + place.h - 1 do
          assert.is_nil(taken[x .. ":" .. y], panel.title)
          taken[x .. ":" .. y] = true
        end
      end
    end
  end)

  it("has alerts that ask for what /metrics has, each explained", function()
    local rules, count = alerts()
    assert.equal(count, #rules)
    assert.truthy(count > 15)
    assert_answered(rules)
    for _, rule in ipairs(rules) do
      assert.matches("severity: %a+", rule.block, rule.where)
      assert.matches("\n          summary: ", rule.block, rule.where)
      assert.matches("\n          description: ", rule.block, rule.where)
    end
  end)

  it("notices a metric or a label that is not there", function()
    local function problems(text, legend)
      return #problems_of({ where = "x", text = text, legend = legend }, labels)
    end
    assert.equal(0, problems('sum by (status) (rate(fixxit_http_requests_total{route="/x"}[5m]))'))
    assert.equal(1, problems("fixxit_reports_total"))
    assert.equal(1, problems('fixxit_jobs{status="dead"}'))
    assert.equal(1, problems("sum by (tenant) (fixxit_jobs)"))
    assert.equal(1, problems("fixxit_jobs", "{{queue}}"))
    assert.equal(1, problems("node_load1"))
  end)
end)
