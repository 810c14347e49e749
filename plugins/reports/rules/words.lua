-- Likeness of titles: how many significant words two texts have in common.

local M = {}

local IGNORED = {}
for word in ([[a an and are at be been by for from had has have in into is it its near of off
  on or our out over please so that the their there this to under very was were
  with]]):gmatch("%a+") do
  IGNORED[word] = true
end

--- Returns the significant words of a text as a set, and their number.
-- Bytes above 127 belong to words, so that accented and non-Latin words stay whole.
function M.significant(text)
  local set, count = {}, 0
  for word in text:lower():gmatch("[%w\128-\255]+") do
    if #word > 1 and not IGNORED[word] and not set[word] then
      set[word] = true
      count = count + 1
    end
  end
  return set, count
end

--- Tells whether at least half of the significant words of `title` occur in `other`.
function M.are_similar(title, other)
  local words, count = M.significant(title)
  if count == 0 then
    return false
  end
  local others, common = M.significant(other), 0
  for word in pairs(words) do
    if others[word] then
      common = common + 1
    end
  end
  return common * 2 >= count
end

return M
