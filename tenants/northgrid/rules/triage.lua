-- What a report says decides how bad it is.
on_error = "deny"

local DANGER = { "gas", "smoke", "spark", "burning", "fell" }
local SHORT = 10

before("report.create", function(report)
  local text = (report.title .. " " .. (report.description or "")):lower()
  if #text < SHORT then
    reject("description", "tell us a little more")
  end
  for _, word in ipairs(DANGER) do
    if text:find(word, 1, true) then
      report.severity = "critical"
    end
  end
end)
