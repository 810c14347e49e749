-- Electrical hazards: where they are must be known, and danger is met at once.

before("report.create", function(report)
  local location = report.location or {}
  if report.category == "electrical" and not location.latitude then
    reject("location.latitude", "electrical hazards need a position on the map")
  end
end)

on("report.created", function(event)
  local report = event.report
  if report.category ~= "electrical" or report.severity ~= "critical" then
    return
  end
  local order = workorders.create{
    reportId = report.id,
    title = "Make safe: " .. report.title,
    priority = "urgent",
  }
  notify{
    role = "dispatcher",
    title = "Live electrical hazard",
    message = ("%s is %s"):format(report.title, order.number),
    workOrderId = order.id,
    channels = { "in_app", "sms" },
  }
end)
