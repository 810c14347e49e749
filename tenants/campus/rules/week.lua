-- The end of the week.

every("0 15 * * 5", "friday", function()
  local open = workorders.count{ status = "in_progress" }
  if open > 0 then
    notify{ role = "dispatcher", title = ("%d jobs go into the weekend"):format(open) }
  end
end)

-- Once for each report, however often it is changed afterwards.
on("report.updated", function(event)
  local report = event.report
  local key = "resolved." .. report.id
  if report.status == "resolved" and not kv.get(key) then
    kv.set(key, now())
    kv.incr("resolved." .. now():sub(1, 7))
  end
end)
