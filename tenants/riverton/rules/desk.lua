-- What the front desk asks for.

route("GET", "/open-by-category", function()
  return json(reports.count{ status = "submitted", by = "category" }) -- {{name, count}, ...}
end)

every("0 7 * * 1-5", "morning", function()
  local open = reports.count{ status = "submitted" }
  if open > 0 then
    notify{ role = "dispatcher", title = ("%d reports wait to be looked at"):format(open) }
  end
end)
