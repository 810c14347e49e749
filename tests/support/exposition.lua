--- Reads the text format of Prometheus, strictly: what this refuses a scraper might too.

local M = {}

local SUFFIXES = { histogram = { "_bucket", "_sum", "_count" }, counter = { "" }, gauge = { "" } }

local function belongs(name, family)
  for _, suffix in ipairs(SUFFIXES[family.kind]) do
    if name == family.name .. suffix then
      return true
    end
  end
  return false
end

local function read_labels(text)
  local labels = {}
  local rest = text
  while rest ~= "" do
    local name, value, after = rest:match('^([%a_][%w_]*)="([^"\\\n]*)",?(.*)$')
    assert(name, "bad labels: " .. text)
    assert(labels[name] == nil, "a label twice: " .. text)
    labels[name] = value
    rest = after
  end
  return labels
end

--- @return array of samples {name, labels, value}; raises at the first line that is wrong
function M.parse(text)
  assert(text:sub(-1) == "\n", "no line end at the end")
  local samples, families, seen, family = {}, {}, {}, nil
  for line in text:gmatch("([^\n]*)\n") do
    local help = line:match("^# HELP ([%a_:][%w_:]*) .+$")
    local typed, kind = line:match("^# TYPE ([%a_:][%w_:]*) (%a+)$")
    if help then
      assert(not families[help], "a family in two places: " .. help)
      family = { name = help }
      families[help] = family
    elseif typed then
      assert(typed == family.name and SUFFIXES[kind], "bad type: " .. line)
      family.kind = kind
    else
      local name, labels, value = line:match("^([%a_:][%w_:]*){?(.-)}? (%S+)$")
      assert(name and tonumber(value), "bad sample: " .. line)
      assert(belongs(name, family), "outside of its family: " .. line)
      assert(not seen[name .. "{" .. labels], "twice: " .. line)
      seen[name .. "{" .. labels] = true
      samples[#samples + 1] = { name = name, labels = read_labels(labels), value = tonumber(value) }
    end
  end
  return samples
end

local function matches(labels, wanted)
  for name, value in pairs(wanted or {}) do
    if labels[name] ~= value then
      return false
    end
  end
  return true
end

--- The sum of the samples of this name whose labels are among the wanted; nil when there is none.
function M.value(samples, name, wanted)
  local sum
  for _, sample in ipairs(samples) do
    if sample.name == name and matches(sample.labels, wanted) then
      sum = (sum or 0) + sample.value
    end
  end
  return sum
end

return M
