-- Looks at the text of a file for calls of capabilities whose arguments cannot be right: names that
-- there are not, too many of them, changes where nothing may be changed. It looks at what stands
-- there literally; the rest shows when a rule runs. What it finds nothing wrong with it tells the
-- worker, which knows what the values must be.
local sandbox = ...

local UNKNOWN = sandbox.null -- stands for a value that only a run has
local DEPTH_MAX = 8
local CALLS_MAX = 98304 -- bytes of calls that are told

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

-- The line in which a piece of text from `first` to `last` ends, and where that line begins.
local function line_behind(text, first, last, line, begins)
  for at in text:sub(first, last):gmatch("\n()") do
    line, begins = line + 1, first + at - 1
  end
  return line, begins
end

-- The tokens of a file: {kind, text, line, column}.
local function read(text)
  local tokens, line, begins, from = {}, 1, 1, 1
  while true do
    local start = text:find("%S", from)
    if not start then
      return tokens
    end
    line, begins = line_behind(text, from, start - 1, line, begins)
    local kind, last = next_token(text, start)
    if kind ~= "comment" then
      tokens[#tokens + 1] = { kind = kind, text = text:sub(start, last), line = line,
        column = start - begins + 1 }
    end
    line, begins = line_behind(text, start, last, line, begins)
    from = last + 1
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

local function is(token, text)
  return token ~= nil and token.kind == "other" and token.text == text
end

-- Values ------------------------------------------------------------------------

-- The key of a field of a table and where its value begins, or nil: `name = ...` or
-- `["name"] = ...`.
local function key_of(tokens, part)
  local first = tokens[part[1]]
  if first.kind == "name" and is(tokens[part[1] + 1], "=") then
    return first.text, part[1] + 2
  elseif is(first, "[") and tokens[part[1] + 1].kind == "text" and is(tokens[part[1] + 2], "]") then
    return tokens[part[1] + 1].text:sub(2, -2), part[1] + 4
  end
end

-- A text of as many letters: JSON takes no half ones, and which they are is nobody's business.
local function text_of(literal)
  if literal:find("^%[") then
    literal = literal:match("^%[=*%[\r?\n?(.*)%]=*%]$")
  else
    literal = not literal:find("\\", 1, true) and literal:sub(2, -2) or nil
  end
  return literal and literal:gsub("[\192-\255][\128-\191]*", "?"):gsub("[\128-\191]", "?")
    or UNKNOWN
end

local function number_of(literal, sign)
  local number = tonumber(literal)
  return number and number - number == 0 and number * sign or UNKNOWN
end

local WORDS = { ["true"] = true, ["false"] = false }

local table_of

-- The value that stands from first to last: nil for `nil`, UNKNOWN for what is no literal.
local function value_of(tokens, first, last, depth)
  local token = tokens[first]
  if first == last and token.kind == "text" then
    return text_of(token.text)
  elseif first == last and token.kind == "name" then
    if token.text == "nil" then
      return nil
    elseif WORDS[token.text] ~= nil then
      return WORDS[token.text]
    end
  elseif first == last then
    return number_of(token.text, 1)
  elseif first + 1 == last and is(token, "-") then
    return number_of(tokens[last].text, -1)
  elseif is(token, "{") and depth < DEPTH_MAX and closing(tokens, first) == last then
    return table_of(tokens, first, last, depth)
  end
  return UNKNOWN
end

-- Whether what ends there may be any number of values: a call, or `...`.
local function is_many(tokens, last)
  local token = tokens[last]
  return token.kind == "text" or is(token, ")") or is(token, "}") or is(token, ".")
end

-- The fields and the entries of a table; nil when it cannot be told which there are.
local function contents_of(tokens, first, last, depth)
  local fields, entries = {}, {}
  for _, part in ipairs(parts_between(tokens, first, last)) do
    local key, from = key_of(tokens, part)
    local value = value_of(tokens, from or part[1], part[2], depth + 1)
    if key then
      fields[key] = value
    elseif value == nil or is(tokens[part[1]], "[")
      or value == UNKNOWN and is_many(tokens, part[2]) then
      return nil
    else
      entries[#entries + 1] = value
    end
  end
  return fields, entries
end

function table_of(tokens, first, last, depth)
  local fields, entries = contents_of(tokens, first, last, depth)
  if not fields or #entries > 0 and next(fields) ~= nil then
    return UNKNOWN
  end
  return #entries > 0 and sandbox.array(entries) or sandbox.object(fields)
end

-- Judging -----------------------------------------------------------------------

-- The fields of a call's table, which stands from first to last, against those that there are.
local function check_fields(state, call, what, first, last, fields)
  local given, is_whole = {}, true
  for _, part in ipairs(parts_between(state.tokens, first, last)) do
    local key = key_of(state.tokens, part)
    if not key then
      is_whole = false
    elseif fields[key] == nil then
      state.problem(state.tokens[part[1]], ("%s has no '%s'%s"):format(what, key,
        sandbox.hint(key, sandbox.keys(fields))))
    else
      given[key] = true
    end
  end
  for _, name in ipairs(is_whole and sandbox.keys(fields) or {}) do
    if fields[name] == "required" and not given[name] then
      state.problem(call, ("%s needs '%s'"):format(what, name))
    end
  end
end

local function is_table(tokens, part)
  return is(tokens[part[1]], "{") and closing(tokens, part[1]) == part[2]
end

-- Arguments by position, by their names.
local function check_positions(state, call, entry, parts)
  local tokens, arguments = state.tokens, sandbox.object({})
  if #parts > #entry.parameters then
    state.problem(call, ("%s takes %d arguments, not %d"):format(call.name, #entry.parameters,
      #parts))
  end
  local last = parts[#parts]
  for i, parameter in ipairs(entry.parameters) do
    local part = parts[i]
    if part then
      arguments[parameter] = value_of(tokens, part[1], part[2], 0)
    elseif last and arguments[entry.parameters[#parts]] == UNKNOWN and is_many(tokens, last[2]) then
      arguments[parameter] = UNKNOWN
    end
    if part and entry.objects[parameter] and is_table(tokens, part) then
      check_fields(state, call, ("%s: %s"):format(call.name, parameter), part[1], part[2],
        entry.objects[parameter])
    end
  end
  return arguments
end

-- One table of arguments.
local function check_single(state, call, entry, parts)
  local part = parts[1]
  local value = part and value_of(state.tokens, part[1], part[2], 0)
  if #parts > 1 or value ~= nil and value ~= UNKNOWN and type(value) ~= "table" then
    state.problem(call, ("%s takes one table of named arguments"):format(call.name))
  elseif part and is_table(state.tokens, part) then
    check_fields(state, call, call.name, part[1], part[2], entry.fields)
  end
  return value == nil and sandbox.object({}) or value
end

-- A call: `at` is the place of its bracket, or of the text that stands for one.
local function check_call(state, call, entry, at)
  local tokens, found = state.tokens, #state.problems
  if state.reading_until and at < state.reading_until and entry.changes then
    state.problem(call, ("%s changes something: a before hook may not"):format(call.name))
  end
  local parts = { { at, closing(tokens, at) } }
  if is(tokens[at], "(") then
    parts = parts_between(tokens, at, parts[1][2])
  elseif tokens[at].kind == "text" then
    parts[1][2] = at
  elseif entry.parameters then
    return state.problem(call, ("%s takes its arguments by position: %s(%s)"):format(call.name,
      call.name, table.concat(entry.parameters, ", ")))
  end
  call.arguments = (entry.parameters and check_positions or check_single)(state, call, entry, parts)
  if found == #state.problems and call.arguments ~= UNKNOWN then
    state.room = state.room - #sandbox.json_encode(call)
    state.calls[#state.calls + 1] = state.room > 0 and call or nil
  end
end

-- The name that a token begins, with a dot in it or not, and the place behind it.
local function full_name(tokens, i)
  if is(tokens[i + 1], ".") and tokens[i + 2] and tokens[i + 2].kind == "name" then
    return tokens[i].text .. "." .. tokens[i + 2].text, i + 3
  end
  return tokens[i].text, i + 1
end

local NAMING = { ["local"] = true, ["for"] = true, ["function"] = true }

-- Where the names begin that a word declares: behind it, or those of a function's arguments.
local function names_behind(tokens, i)
  if tokens[i].text ~= "function" then
    return i + 1
  end
  repeat
    i = i + 1
  until not tokens[i] or is(tokens[i], "(") or tokens[i].text == "function"
  return i + 1
end

-- Names that the file uses for something of its own.
local function own_names(tokens)
  local own = {}
  for i, token in ipairs(tokens) do
    if token.kind == "name" and NAMING[token.text] then
      local at = names_behind(tokens, i)
      if tokens[at] and tokens[at].text == "function" then -- local function name
        at = at + 1
      end
      while tokens[at] and tokens[at].kind == "name" do
        own[tokens[at].text] = true
        at = is(tokens[at + 1], ",") and at + 2 or #tokens + 1
      end
    end
  end
  return own
end

local function begins_call(token)
  return is(token, "(") or is(token, "{") or token ~= nil and token.kind == "text"
end

local function scan(state, known)
  local tokens, own = state.tokens, own_names(state.tokens)
  for i, token in ipairs(tokens) do
    local before = tokens[i - 1]
    local is_field = is(before, ".") or is(before, ":")
    if token.kind == "name" and not own[token.text] and not is_field then
      local name, at = full_name(tokens, i)
      if name == "before" and is(tokens[at], "(") then
        state.reading_until = closing(tokens, at)
      elseif known[name] and begins_call(tokens[at]) then
        check_call(state, { name = name, line = token.line, column = token.column },
          known[name], at)
      end
    end
  end
end

--- @param input file, text; known = {name = {fields | parameters and objects, changes}}
-- @return problems, and calls = {{name, line, column, arguments}}, in which null is not known
function sandbox.run(input)
  local state = { tokens = read(input.text), problems = sandbox.array({}),
    calls = sandbox.array({}), room = CALLS_MAX }
  function state.problem(place, message)
    state.problems[#state.problems + 1] = { file = input.file, line = place.line,
      column = place.column, severity = "error", message = message }
  end
  scan(state, input.known)
  return { problems = state.problems, calls = state.calls }
end
