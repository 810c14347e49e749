-- Likeness of titles: how many significant words two texts have in common.

local M = {}

-- Bytes above 127 belong to words, so that accented and non-Latin words stay whole.
local WORD = "[%w\128-\255]+"

local IGNORED = {}
for word in ([[a an and are at be been by for from had has have in into is it its near of off
  on or our out over please so that the their there this to under very was were
  with]]):gmatch("%a+") do
  IGNORED[word] = true
end

--- Returns the significant words of a text as a set, and their number.
function M.significant(text)
  local set, count = {}, 0
  for word in text:lower():gmatch(WORD) do
    if #word > 1 and not IGNORED[word] and not set[word] then
      set[word] = true
      count = count + 1
    end
  end
  return set, count
end

--- Returns the significant words of a text as a list.
function M.list(text)
  local list = {}
  for word in pairs((M.significant(text))) do
    list[#list + 1] = word
  end
  table.sort(list)
  return list
end

--- Returns a function that tells whether at least half of these words (M.list) occur in a text.
function M.matcher(words)
  local met, texts = {}, 0 -- word -> the number of the text that it was last met in
  for _, word in ipairs(words) do
    met[word] = 0
  end
  return function(text)
    local common = 0
    texts = texts + 1
    for word in text:lower():gmatch(WORD) do
      if met[word] and met[word] < texts then
        met[word] = texts
        common = common + 1
      end
    end
    return #words > 0 and common * 2 >= #words
  end
end

--- Tells whether at least half of the significant words of `title` occur in `other`.
function M.are_similar(title, other)
  return M.matcher(M.list(title))(other)
end

return M
