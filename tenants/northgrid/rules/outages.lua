-- Many reports of no power near each other are one outage.

local WINDOW = "1h"
local ENOUGH = 3
local CELLS_PER_DEGREE = 100 -- a cell of about a kilometre

local function cell_of(location)
  return ("%d:%d"):format(math.floor(location.latitude * CELLS_PER_DEGREE),
    math.floor(location.longitude * CELLS_PER_DEGREE))
end

-- The reports of a cell within the window, this one among them.
local function remember(cell, report)
  local since = time.add(now(), "-" .. WINDOW)
  local recent = {}
  for _, entry in ipairs(kv.get("outage." .. cell) or {}) do
    if entry.at >= since then
      recent[#recent + 1] = entry
    end
  end
  recent[#recent + 1] = { id = report.id, at = now() }
  kv.set("outage." .. cell, recent)
  return recent
end

local function tell_partner(cell, order, count)
  local reply = http.fetch("https://switchgear.example/api/outages", {
    method = "POST",
    headers = { authorization = "Bearer " .. secret("switchgear") },
    json = { cell = cell, reports = count, reference = order.number },
  })
  if reply.status >= 300 then
    log("the partner answered", reply.status)
  end
end

on("report.created", function(event)
  local report = event.report
  local location = report.location
  if report.category ~= "electrical" or not location or not location.latitude then
    return
  end
  local cell = cell_of(location)
  local recent = remember(cell, report)
  if #recent ~= ENOUGH then
    return
  end
  local order = workorders.create{
    reportId = report.id,
    title = ("Outage: %d reports in one hour"):format(ENOUGH),
    priority = "urgent",
  }
  notify{ role = "dispatcher", title = "Outage", message = order.number, workOrderId = order.id,
    channels = { "in_app", "sms" } }
  tell_partner(cell, order, ENOUGH)
end)
