-- The tokens of an SQL statement as MariaDB reads them, for core.db_scope.
--
-- A token is {kind, text, raw}: "word" (an unquoted name or keyword, text in lower case), "ident"
-- (a name that can be no keyword: in backticks, or beside a dot), "string", "number", "param" (?),
-- "tenant" (:tenant), "op". A tree's groups are {kind = "group" or "case", items}.

local M = {}

local find, sub = string.find, string.sub

local function refuse(sql, why)
  error(("db: %s: %s"):format(why, sql), 0)
end

-- Position behind a quoted text that starts at `start`; a doubled quote stands for itself.
local function quoted_end(sql, start, quote, escapes)
  local i = start + 1
  while true do
    local at = find(sql, escapes and "[\\" .. quote .. "]" or quote, i)
    if not at then
      refuse(sql, "a quote is not closed")
    elseif sub(sql, at, at) == "\\" then
      i = at + 2
    elseif sub(sql, at + 1, at + 1) == quote then
      i = at + 2
    else
      return at + 1
    end
  end
end

-- Position behind the white space and comments at `i`.
local function skip_space(sql, i)
  while true do
    i = find(sql, "%S", i) or #sql + 1
    if find(sql, "^%-%-[%s%c]", i) or find(sql, "^%-%-$", i) or sub(sql, i, i) == "#" then
      i = find(sql, "\n", i, true) or #sql + 1
    elseif sub(sql, i, i + 1) == "/*" then
      if find(sql, "^[M]?!", i + 2) then
        refuse(sql, "an executable comment")
      end
      local _, last = find(sql, "*/", i + 2, true)
      i = last and last + 1 or refuse(sql, "a comment is not closed")
    else
      return i
    end
  end
end

local OPERATORS = "^[-+*/%%=<>!~^&|.,()?]"

local function read_operator(sql, i)
  local text = sub(sql, i, i)
  if sub(sql, i, i + 1) == "||" then
    return "op", "||", i + 2
  elseif text == "?" then
    return "param", text, i + 1
  elseif find(sql, OPERATORS, i) then
    return "op", text, i + 1
  end
  return refuse(sql, "'" .. text .. "' is not for stores")
end

local function read_token(sql, i, strict)
  local c = sub(sql, i, i)
  if c == "'" or c == '"' and not strict then
    return "string", "", quoted_end(sql, i, c, true)
  elseif c == "`" then
    local after = quoted_end(sql, i, c, false)
    return "ident", (sub(sql, i + 1, after - 2):gsub("``", "`")), after
  elseif c == ":" then
    local _, last = find(sql, "^:tenant%f[^%w_]", i)
    if not last then
      refuse(sql, "a colon that is not :tenant")
    end
    return "tenant", ":tenant", last + 1
  elseif find(c, "[%w_$\128-\255]") then
    local _, last = find(sql, "^[%w_$\128-\255]+", i)
    local text = sub(sql, i, last)
    return find(text, "^%d+$") and "number" or "word", text, last + 1
  end
  return read_operator(sql, i)
end

-- A name beside a dot is never a keyword.
local function unkeyword(tokens)
  for i, token in ipairs(tokens) do
    local before, after = tokens[i - 1], tokens[i + 1]
    if token.kind == "word" and (before and before.raw == "." and before.kind == "op"
      or after and after.raw == "." and after.kind == "op") then
      token.kind, token.text = "ident", token.raw
    end
  end
end

--- Reads all tokens and plans where parameters come from.
-- @param strict refuse what can be read in two ways (double quotes), for statements to be proved
-- @return tokens, {sql, sources or nil, given}
function M.read(sql, strict)
  local tokens, sources, pieces = {}, {}, {}
  local given, copied, has_tenant = 0, 1, false
  local i = skip_space(sql, 1)
  while i <= #sql do
    local kind, raw, after = read_token(sql, i, strict)
    if kind == "param" then
      given = given + 1
      sources[#sources + 1] = given
    elseif kind == "tenant" then
      has_tenant = true
      sources[#sources + 1] = 0
      pieces[#pieces + 1] = sub(sql, copied, i - 1) .. "?"
      copied = after
    end
    tokens[#tokens + 1] = { kind = kind, text = kind == "word" and raw:lower() or raw, raw = raw }
    i = skip_space(sql, after)
  end
  pieces[#pieces + 1] = sub(sql, copied)
  unkeyword(tokens)
  return tokens, {
    sql = table.concat(pieces),
    sources = has_tenant and sources or nil,
    given = given,
  }
end

--- Nests the tokens: parentheses and CASE ... END become one item each.
function M.tree(sql, tokens)
  local top = {}
  local stack = { { kind = "group", items = top } }
  for _, token in ipairs(tokens) do
    local current = stack[#stack]
    local opens = token.kind == "op" and token.raw == "(" and "group"
      or token.kind == "word" and token.text == "case" and "case"
    local closes = token.kind == "op" and token.raw == ")" and "group"
      or token.kind == "word" and token.text == "end" and "case"
    if opens then
      local group = { kind = opens, items = {} }
      current.items[#current.items + 1] = group
      stack[#stack + 1] = group
    elseif closes then
      if current.kind ~= closes or #stack == 1 then
        refuse(sql, "parentheses or CASE do not match")
      end
      stack[#stack] = nil
    else
      current.items[#current.items + 1] = token
    end
  end
  if #stack > 1 then
    refuse(sql, "a parenthesis or CASE is not closed")
  end
  return top
end

return M
