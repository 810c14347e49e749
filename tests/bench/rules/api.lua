--- What the benchmarks of tenants' rules ask of a server besides the load: drafts and releases.
local cjson = require("cjson")
local processes = require("tests.bench.processes")

local M = {}

--- Sends a request. @return status, what stands in `data`
function M.call(world, port, method, path, person, body)
  local answer, request = world.data .. "/answer.json", world.data .. "/request.json"
  processes.write(request, body and cjson.encode(body) or "")
  local status = processes.shell(("curl -s -o %s -w '%%{http_code}' -X %s -H 'Authorization: Bearer %s' "
    .. "-H 'Content-Type: application/json' %s http://127.0.0.1:%d/api/v1%s"):format(answer, method,
    person.token, body and "--data-binary @" .. request or "", port, path))
  local ok, decoded = pcall(cjson.decode, processes.read(answer))
  return tonumber(status), ok and decoded.data or nil, processes.read(answer)
end

local function check(what, status, _, text)
  if status >= 300 then
    error(("%s: %d %s"):format(what, status, text), 0)
  end
end

--- Publishes files as a person's tenant's next release.
-- @param files path -> text
function M.publish(world, port, person, files)
  for path, text in pairs(files) do
    check(path, M.call(world, port, "PUT", "/scripts/draft/" .. path, person, { content = text }))
  end
  check("publish", M.call(world, port, "POST", "/scripts/publish", person, { message = "bench" }))
end

--- Makes owners of people, who may publish. Before a server knows them.
function M.make_owners(world, database, people)
  for _, person in ipairs(people) do
    world:sql(database, ("UPDATE user_tenants SET role = 'owner' WHERE user_id = '%s';"):format(
      person.user_id))
  end
end

return M
