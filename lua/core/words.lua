-- The words of a filter such as `q`, and how LIKE finds them.

local M = {}

local MAX = 8

--- The words of a text, at most eight: each costs a look at every row.
function M.of(text)
  local words = {}
  for word in (text or ""):gmatch("%S+") do
    if #words < MAX then
      words[#words + 1] = word
    end
  end
  return words
end

--- The pattern that finds the word anywhere, whatever characters it holds.
function M.pattern(word)
  return "%" .. word:gsub("[\\%%_]", "\\%0") .. "%"
end

return M
