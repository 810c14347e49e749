-- A state of our own: work that waits for parts.

local function is_technician(_, user)
  return user.role == "technician" or user.role == "dispatcher"
end

transition{ of = "workorder", from = "accepted", to = "awaiting_parts", guard = is_technician }
transition{ of = "workorder", from = "in_progress", to = "awaiting_parts", guard = is_technician }
transition{ of = "workorder", from = "awaiting_parts", to = "in_progress" }
