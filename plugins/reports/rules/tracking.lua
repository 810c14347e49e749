-- Tracking codes: what an anonymous reporter is given to come back with.

local M = {}

jit.on(true, true) -- what many ask for again and again

-- No letter or digit that is mistaken for another when read out or written by hand
-- (0 O Q, 1 I L, 2 Z, 5 S, 8 B, U V). 23 letters, 8 places: 7.8e10 codes.
local ALPHABET = "34679ACDEFGHJKMNPRTVWXY"
local LENGTH = 8

--- Makes a code of random bytes (`random(n)` returns n of them).
-- Bytes beyond the largest multiple of the alphabet's size are passed over: no letter is
-- likelier than another.
function M.make(random)
  local letters = {}
  local usable = 256 - 256 % #ALPHABET
  while #letters < LENGTH do
    for _, byte in ipairs({ random(16):byte(1, -1) }) do
      if byte < usable and #letters < LENGTH then
        local i = byte % #ALPHABET + 1
        letters[#letters + 1] = ALPHABET:sub(i, i)
      end
    end
  end
  return table.concat(letters)
end

--- Returns a code as typed by a person in its stored form, or nil when it cannot be one.
function M.normalize(text)
  local code = text:upper():gsub("[%s-]", "")
  if #code == LENGTH and not code:find("[^" .. ALPHABET .. "]") then
    return code
  end
end

return M
