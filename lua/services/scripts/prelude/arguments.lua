-- Looks at the text of a file for calls of capabilities whose arguments cannot be right: names that
-- there are not, too many of them, changes where nothing may be changed. It looks at what stands
-- there literally; the rest shows when a rule runs.
local sandbox = ...

local OPENS = { ["("] = ")", ["{"] = "}", ["["] = "]" }
local BLOCKS = { ["function"] = 1, ["if"] = 1, ["do"] = 1, ["repeat"] = 1, ["end"] = -1,
  ["until"] = -1 }

-- Reading -----------------------------------------------------------------------

-- Where a quoted text that begins at `start` ends.
local function end_of_text(text, start)
  local quote, from = text:sub(start, start), start + 1
  while true do
    local at = text:find("[\\" .. quote .. "\n]", from)
    local found = at and text:sub(at, at)
    if found ~= "\\" then
      return at or #text
    end
    from = at + 2
  end
end

-- Where what begins with a long bracket at `start` ends, or nil when none does.
local function end_of_long(text, start)
  local equals = text:match("^%[(=*)%[", start)
  if equals then
    local _, last = text:find("]" .. equals .. "]", start, true)
    return last or #text
  end
end

-- The kind of what begins at `start`, and where it ends.
local function next_token(text, start)
  if text:find("^%-%-", start) then
    return "comment", end_of_long(text, start + 2) or select(2, text:find("^[^\n]*", start))
  end
  local char = text:sub(start, start)
  if char == '"' or char == "'" then
    return "text", end_of_text(text, start)
  end
  local last = select(2, text:find("^[%a_][%w_]*", start))
  if last then
    return "name", last
  end
  last = end_of_long(text, start)
  if last then
    return "text", last
  end
  last = select(2, text:find("^%d[%w.]*", start)) or select(2, text:find("^==", start))
  return "other", last or start
end

-- The tokens of a file: {kind, text, line}.
local function read(text)
  local tokens, line, from = {}, 1, 1
  while true do
    local start = text:find("%S", from)
    local _, lines = text:sub(from, (start or #text + 1) - 1):gsub("\n", "")
    line = line + lines
    if not start then
      return tokens
    end
    local kind, last = next_token(text, start)
    local found = text:sub(start, last)
    if kind ~= "comment" then
      tokens[#tokens + 1] = { kind = kind, text = found, line = line }
    end
    _, lines = found:gsub("\n", "")
    line, from = line + lines, last + 1
  end
end

-- The place of the bracket that closes the one at `start`; the last token when none does.
local function closing(tokens, start)
  local depth = 0
  for i = start, #tokens do
    local token = tokens[i]
    if token.kind == "other" then
      if OPENS[token.text] then
        depth = depth + 1
      elseif token.text == ")" or token.text == "}" or token.text == "]" then
        depth = depth - 1
        if depth == 0 then
          return i
        end
      end
    end
  end
  return #tokens
end

-- What stands between two brackets, parted by commas: {{first, last}, ...}.
local function parts_between(tokens, first, last)
  local parts, start, i, depth = {}, first + 1, first + 1, 0
  while i < last do
    local token = tokens[i]
    if token.kind == "name" then
      depth = depth + (BLOCKS[token.text] or 0)
    elseif token.kind == "other" and OPENS[token.text] then
      i = closing(tokens, i)
    elseif token.kind == "other" and (token.text == "," or token.text == ";") and depth == 0 then
      parts[#parts + 1] = { start, i - 1 }
      start = i + 1
    end
    i = i + 1
  end
  if start < last then
    parts[#parts + 1] = { start, last - 1 }
  end
  return parts
end

-- Judging -----------------------------------------------------------------------

local function is(token, text)
  return token ~= nil and token.kind == "other" and token.text == text
end

-- The key of a field of a table, or nil: `name = ...` or `["name"] = ...`.
local function key_of(tokens, part)
  local first = tokens[part[1]]
  if first.kind == "name" and is(tokens[part[1] + 1], "=") then
    return first.text
  elseif is(first, "[") and tokens[part[1] + 1].kind == "text" and is(tokens[part[1] + 2], "]") then
    return tokens[part[1] + 1].text:sub(2, -2)
  end
end

-- The fields of a table that stands from first to last against those that there are.
local function check_fields(state, what, first, last, fields)
  local given, is_whole = {}, true
  for _, part in ipairs(parts_between(state.tokens, first, last)) do
    local key = key_of(state.tokens, part)
    if not key then
      is_whole = false
    elseif fields[key] == nil then
      state.problem(state.tokens[part[1]].line, ("%s has no '%s'%s"):format(what, key,
        sandbox.hint(key, sandbox.keys(fields))))
    else
      given[key] = true
    end
  end
  for _, name in ipairs(is_whole and sandbox.keys(fields) or {}) do
    if fields[name] == "required" and not given[name] then
      state.problem(state.tokens[first].line, ("%s needs '%s'"):format(what, name))
    end
  end
end

local function is_table(tokens, part)
  return is(tokens[part[1]], "{") and closing(tokens, part[1]) == part[2]
end

local function check_positions(state, name, entry, parts, line)
  if #parts > #entry.parameters then
    state.problem(line, ("%s takes %d arguments, not %d"):format(name, #entry.parameters, #parts))
  end
  for i, part in ipairs(parts) do
    local parameter = entry.parameters[i]
    local fields = parameter and entry.objects[parameter]
    if fields and is_table(state.tokens, part) then
      check_fields(state, ("%s: %s"):format(name, parameter), part[1], part[2], fields)
    end
  end
end

-- A call: `at` is the place of its bracket.
local function check_call(state, name, entry, at)
  local tokens, last = state.tokens, closing(state.tokens, at)
  local line = tokens[at].line
  if state.reading_until and at < state.reading_until and entry.changes then
    state.problem(line, ("%s changes something: a before hook may not"):format(name))
  end
  if is(tokens[at], "{") then
    if entry.parameters then
      state.problem(line, ("%s takes its arguments by position: %s(%s)"):format(name, name,
        table.concat(entry.parameters, ", ")))
    else
      check_fields(state, name, at, last, entry.fields)
    end
    return
  end
  local parts = parts_between(tokens, at, last)
  if entry.parameters then
    check_positions(state, name, entry, parts, line)
  elseif #parts > 1 then
    state.problem(line, ("%s takes one table of named arguments"):format(name))
  elseif parts[1] and is_table(tokens, parts[1]) then
    check_fields(state, name, parts[1][1], parts[1][2], entry.fields)
  end
end

-- The name that a token begins, with a dot in it or not, and the place behind it.
local function full_name(tokens, i)
  if is(tokens[i + 1], ".") and tokens[i + 2] and tokens[i + 2].kind == "name" then
    return tokens[i].text .. "." .. tokens[i + 2].text, i + 3
  end
  return tokens[i].text, i + 1
end

-- Names that the file uses for something of its own.
local function own_names(tokens)
  local own = {}
  for i, token in ipairs(tokens) do
    local following = tokens[i + 1]
    if token.kind == "name" and token.text == "local" and following then
      following = following.text == "function" and tokens[i + 2] or following
      own[following.text] = true
    end
  end
  return own
end

local function scan(state, known)
  local tokens, own = state.tokens, own_names(state.tokens)
  for i, token in ipairs(tokens) do
    local before = tokens[i - 1]
    local is_field = is(before, ".") or is(before, ":")
    if token.kind == "name" and not own[token.text] and not is_field then
      local name, at = full_name(tokens, i)
      if is(tokens[at], "(") or is(tokens[at], "{") then
        if name == "before" then
          state.reading_until = closing(tokens, at)
        elseif known[name] then
          check_call(state, name, known[name], at)
        end
      end
    end
  end
end

--- @param input file, text; known = {name = {fields | parameters and objects, changes}}
-- @return the problems
function sandbox.run(input)
  local problems = sandbox.array({})
  scan({ tokens = read(input.text), problem = function(line, message)
    problems[#problems + 1] = { file = input.file, line = line, column = 1, severity = "error",
      message = message }
  end }, input.known)
  return problems
end
