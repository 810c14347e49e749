--- What the specs say of most answers.
local assert = require("luassert")

local M = {}

--- An answer that must have this status, or any below 300 when none is named.
-- @return its data and meta
function M.ok(answer, status)
  if status then
    assert.equal(status, answer.status, answer.body)
  else
    assert.is_true(answer.status < 300, answer.body)
  end
  return answer.json.data, answer.json.meta
end

--- An answer that must be this refusal: refused(404, answer) or refused(404, "NOT_FOUND", answer).
-- @return its error
function M.refused(status, code, answer)
  if not answer then
    code, answer = nil, code
  end
  assert.equal(status, answer.status, answer.body)
  assert.equal(code or answer.json.error.code, answer.json.error.code, answer.body)
  return answer.json.error
end

--- An answer that must refuse what it was sent. @return the names of the fields, in order
function M.wrong_fields(answer)
  local fields = {}
  for i, detail in ipairs(M.refused(400, "VALIDATION_ERROR", answer).details) do
    fields[i] = detail.field
  end
  table.sort(fields)
  return fields
end

return M
