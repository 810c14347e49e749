-- Buildings and rooms: "Library 2.14" is a building and a room.

before("report.create", function(report)
  local place = report.location and report.location.description or ""
  local building, room = place:match("^(%a[%a ]*) (%d+%.%d+)$")
  if not building then
    return
  end
  report.tags = report.tags or {}
  report.tags[#report.tags + 1] = building:lower()
  report.metadata = report.metadata or {}
  report.metadata.building, report.metadata.room = building, room
end)

-- GET /api/v1/x/porters?building=library
route("GET", "/porters", function(request)
  local building = request.query.building
  if not building then
    return json({ error = "name a building: ?building=library" }, 400)
  end
  local open = {}
  for _, report in ipairs(reports.list{ status = "submitted", tag = building, limit = 50 }) do
    open[#open + 1] = { title = report.title, place = report.location.description }
  end
  return json({ building = building, open = open })
end)
