--- Which passwords are tried first. A list of whole ones would need millions of lines; what people
-- do to get past a length rule is always the same, so the rules undo it: case, digits and signs
-- around a word, letters replaced by digits that look like them, a word said twice, runs along the
-- keyboard.

local M = {}

-- What is left when the decoration is taken off.
local BASES = {}
for word in ([[
  password passwort passwords passphrase motdepasse contrasena contrasenia senha parola wachtwoord
  mypassword yourpassword newpassword oldpassword thepassword secretpassword passwordpassword
  secret topsecret mysecret admin administrator administrador adminadmin root rootroot superuser
  user username userpassword guest default login letmein letmeinnow welcome welcomeback
  welcomehome changeme changemenow pleasechange trustno trustnoone access granted master masterkey
  server database system security computer internet network windows microsoft google facebook
  samsung apple android linkedin youtube twitter instagram whatsapp office company test testing
  tester testtest testuser demo sample example temp temporary qwerty qwertz azerty qwert asdf
  asdfgh asdfghjkl zxcvbn zxcvbnm yxcvbnm qazwsx qazwsxedc qweasd qweasdzxc qwertyuiop qwertzuiop
  poiuytrewq mnbvcxz lkjhgfdsa iloveyou iloveu ilovehim iloveher loveyou loveme lovelove forever
  foreverlove football baseball basketball soccer hockey volleyball liverpool arsenal chelsea
  manchester manunited barcelona realmadrid juventus superman batman spiderman ironman starwars
  startrek pokemon pikachu naruto minecraft fortnite dragon dragonball monkey shadow sunshine
  princess princesa michael jennifer jessica charlie jordan ashley daniel andrew joshua matthew
  anthony robert thomas william christopher alexander benjamin elizabeth samantha stephanie nicole
  michelle freedom whatever nothing anything something everything unbelievable incredible mustang
  corvette ferrari mercedes porsche harley davidson summer winter spring autumn sommer herbst
  january february march april june july august september october november december monday tuesday
  wednesday thursday friday saturday sunday hello hellohello helloworld goodbye goodmorning
  butterfly chocolate strawberry cookie cheese banana orange pepper flower rainbow diamond silver
  golden killer hunter soldier warrior legend phoenix falcon tiger eagle panther maverick ranger
  wizard magic matrix metallica nirvana slipknot eminem beatles rockstar blackberry thunder
  lightning storm hurricane america england london paris berlin germany france italia australia
  canada mexico brasil india jesus jesuschrist christ godisgood blessed heaven angel angels family
  mother father brother sister mommy daddy babygirl babyboy sweetheart honey darling friend
  friends bestfriend correcthorse correcthorsebatterystaple abc abcabc abcdef abcdefg abcdefgh
  abcdefghi abcdefghij abcdefghijk aaa aaaa xxx xxxx fuckyou fuckoff fuckme bullshit asshole
  fixxit fixit
]]):gmatch("%S+") do
  BASES[word] = true
end

-- Along which keys, letters and digits a password may not just run.
local RUNS = { "abcdefghijklmnopqrstuvwxyz", "01234567890123456789", "qwertyuiop", "qwertzuiop",
  "azertyuiop", "asdfghjkl", "zxcvbnm", "yxcvbnm", "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
  "1q2w3e4r5t6y7u8i9o0p", "qazwsxedcrfvtgbyhnujm", "q1w2e3r4t5y6u7i8o9p0", "147258369", "789456123",
  "13579", "24680", "112233445566778899" }
local DECORATION = 6 -- characters around a word that do not make it better
local RUN_PIECE = 4 -- keys in a row that count as one

local LOOKALIKES = { ["0"] = "o", ["1"] = "i", ["3"] = "e", ["4"] = "a", ["5"] = "s", ["7"] = "t",
  ["8"] = "b", ["9"] = "g", ["@"] = "a", ["$"] = "s", ["!"] = "i", ["+"] = "t" }

-- Said twice or more: the part that is repeated.
local function unit_of(text)
  for length = 1, math.floor(#text / 2) do
    if #text % length == 0 and text:sub(1, length):rep(#text / length) == text then
      return text:sub(1, length)
    end
  end
  return text
end

-- The length of the longest piece of a run at the start of the text.
local function run_at(text, from)
  local longest = 0
  for _, run in ipairs(RUNS) do
    for _, line in ipairs({ run, run:reverse() }) do
      local length = RUN_PIECE
      while from + length - 1 <= #text and line:find(text:sub(from, from + length - 1), 1, true) do
        longest = math.max(longest, length)
        length = length + 1
      end
    end
  end
  return longest
end

-- Whether the text is runs from end to end, but for three characters at most.
local function is_runs(text)
  local at, others = 1, 0
  while at <= #text do
    local length = run_at(text, at)
    if length == 0 then
      others, length = others + 1, 1
    end
    at = at + length
  end
  return others <= 3 and others < #text / 2
end

-- A word with digits and signs around it: few of them, or a run.
local function is_base(text)
  local before, word, after = text:match("^([^%a]*)(.-)([^%a]*)$")
  local decoration = before .. after
  return (BASES[word] or BASES[unit_of(word)])
    and (#decoration <= DECORATION or is_runs(decoration)) or false
end

--- Whether a password is among those that are tried first.
function M.has(password)
  local lower = password:lower()
  local unit = unit_of(lower)
  if #unit <= 3 or is_runs(lower) or is_base(lower) then
    return true
  end
  local read = lower:gsub(".", LOOKALIKES)
  local word = lower:match("^(.-)[%d%p]*$"):gsub(".", LOOKALIKES)
  return BASES[read] or BASES[unit_of(read)] or is_base(word) or false
end

return M
