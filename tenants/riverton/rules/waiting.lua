-- Urgent work that waits: who hears of it, and after how much of our business hours.

local function tell(who, order, text)
  who.title = ("%s %s"):format(order.number, text)
  who.workOrderId = order.id
  notify(who)
end

escalate{
  of = "workorder",
  name = "urgent",
  when = function(order)
    return order.priority == "urgent"
  end,
  steps = {
    { after = "30m", run = function(order)
      if order.teamId then
        tell({ team = order.teamId }, order, "is waiting")
      end
    end },
    { after = "1h", run = function(order)
      tell({ role = "dispatcher" }, order, "has waited for an hour")
    end },
    { after = "2h", run = function(order)
      tell({ role = "owner", channels = { "in_app", "sms" } }, order, "is late")
    end },
  },
}
