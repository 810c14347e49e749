-- What the loaded services and plugins offer. Filled once by core.plugin before anything starts,
-- read by everybody after that.

local M = {
  role = nil, -- "http", "job" or "cli": what this process is for
  modules = {}, -- array in load order: {name, kind, folder, manifest, init}
  routes = {}, -- array of route tables
  permissions = {}, -- name -> {module, description}
  emits = {}, -- event -> module that declares it
  events = {}, -- event -> {socket, rooms}
  topics = {}, -- word before the colon of a topic -> {allow, snapshot, anonymous}
  file_parents = {}, -- parent type -> {can_read, can_write}
  audiences = {}, -- kind of group -> function(ctx, id or name) -> ids of users; nil: no such group
  clocks = {}, -- kind of clock -> what services.clocks wants of it
  personal = {}, -- array of {stats, export, erase}: what modules hold of a person
  listeners = {}, -- event -> array of job names
  jobs = {}, -- name -> {run, timeout_ms, max_attempts}
  queues = {}, -- family of queues -> {max, each}: how many of its jobs a worker runs at a time
  schedules = {}, -- array of {name, every_ms, job}
  messages = {}, -- type of notification -> set of what its templates can name: "workorder.number"
  hooks = {}, -- name -> function; `ready` is an array of functions
  capabilities = {}, -- "reports.create" -> what tenants' scripts can call (services/scripts)
  script_permissions = {}, -- set: what those may do
  script_entities = {}, -- type -> {show, lock, machine, pins, ...}: what rules are about
  script_actions = {}, -- "report.create" -> {event, shows, given}: what they can stand in front of
}

return M
