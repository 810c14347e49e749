local crypto = require("core.crypto")
local errors = require("core.errors")
local mime = require("core.mime")
local time = require("core.time")

local function message(fields)
  local mail = { from = "fixxit@riverton.example", to = { "ann@example.org" }, subject = "Hello",
    text = "Hello" }
  for name, value in pairs(fields or {}) do
    mail[name] = value
  end
  return mime.message(mail)
end

-- The headers by name, unfolded; and the body.
local function read(text)
  local head, body = text:match("^(.-\r\n)\r\n(.*)$")
  local headers = {}
  for name, value in head:gsub("\r\n ", " "):gmatch("([^:\r\n]+): ([^\r\n]*)\r\n") do
    assert.is_nil(headers[name], "twice: " .. name)
    headers[name] = value
  end
  return headers, body
end

local function decode_words(value)
  value = value:gsub("%?= =%?", "?==?")
  return (value:gsub("=%?UTF%-8%?B%?([^?]*)%?=", function(word)
    return (assert(crypto.unbase64(word)))
  end))
end

local function decode_quoted(text)
  return (text:gsub("=\r\n", ""):gsub("=(%x%x)", function(hex)
    return string.char(tonumber(hex, 16))
  end))
end

local function assert_lines(text, max)
  for line, ending in text:gmatch("([^\r\n]*)(\r?\n?)") do
    assert.is_true(#line <= max, #line .. " bytes: " .. line)
    assert.is_true(ending == "\r\n" or line == "" and ending == "")
  end
end

describe("core.mime", function()
  it("makes a plain mail", function()
    local headers, body = read(message({ date_ms = time.parse("2026-11-20T09:12:44.120Z") }))
    assert.equal("Fri, 20 Nov 2026 09:12:44 +0000", headers.Date)
    assert.equal("fixxit@riverton.example", headers.From)
    assert.equal("ann@example.org", headers.To)
    assert.equal("Hello", headers.Subject)
    assert.equal("1.0", headers["MIME-Version"])
    assert.equal("text/plain; charset=utf-8", headers["Content-Type"])
    assert.truthy(headers["Message-ID"]:find("^<[%x-]+@riverton%.example>$"))
    assert.equal("Hello\r\n", body)
  end)

  it("knows the days of the week", function()
    for text, day in pairs({ ["1970-01-01"] = "Thu", ["2000-02-29"] = "Tue", ["2026-11-22"] = "Sun",
      ["2026-11-23"] = "Mon" }) do
      assert.equal(day, read(message({ date_ms = time.parse(text) })).Date:sub(1, 3))
    end
  end)

  it("encodes what is not ASCII, between characters", function()
    local subject = ("Straßenlaterne 🔦 defekt — "):rep(12)
    local text = message({ subject = subject, from = { name = "Bürgeramt", address = "a@b.example" } })
    local headers = read(text)
    assert.equal(subject, decode_words(headers.Subject))
    assert.equal("Bürgeramt <a@b.example>", decode_words(headers.From))
    assert_lines(text, 78)
    for word in headers.Subject:gmatch("=%?UTF%-8%?B%?([^?]*)%?=") do
      local bytes = crypto.unbase64(word)
      assert.is_false(bytes:byte(1) >= 0x80 and bytes:byte(1) < 0xC0, "begins inside a character")
    end
  end)

  it("leaves no way to smuggle a header in", function()
    local bad = "x\r\nBcc: eve@example.org\r\n\r\nbody\n\n\0"
    local text = message({ subject = bad, headers = { ["X-Fixxit"] = bad, ["X-Two"] = "ok" },
      from = { name = bad, address = "a@b.example" }, to = { { name = bad, address = "c@d.example" } } })
    local headers = read(text)
    assert.is_nil(headers.Bcc)
    assert.equal("x Bcc: eve@example.org body ", headers.Subject)
    assert.equal("x Bcc: eve@example.org body ", headers["X-Fixxit"])
    assert.equal("ok", headers["X-Two"])
    assert.has_error(function()
      message({ headers = { ["X: y\r\nBcc"] = "eve@example.org" } })
    end)
  end)

  it("takes only addresses", function()
    for _, address in ipairs({ "", "ann", "ann@", "@example.org", "a b@example.org",
      "a@example.org\r\nBcc: e@example.org", "a@b@c", "<a@b.example>", "a,b@c.example",
      "jos\195\169@example.org", "a@" .. ("x"):rep(320) }) do
      for _, fields in ipairs({ { to = { address } }, { from = address }, { reply_to = address } }) do
        local ok, err = pcall(message, fields)
        assert.is_false(ok, address)
        assert.is_true(errors.is(err, "VALIDATION_ERROR"), tostring(err))
      end
    end
    assert.equal("o'neil+tag@mail.example.org", read(message({ to = { "o'neil+tag@mail.example.org" } })).To)
  end)

  it("quotes names", function()
    local headers = read(message({ to = { { name = 'Ann "the" \\ lamp, Ltd.', address = "a@b.example" },
      { address = "c@d.example" } } }))
    assert.equal('"Ann \\"the\\" \\\\ lamp, Ltd." <a@b.example>, c@d.example', headers.To)
  end)

  it("offers text and html", function()
    local headers, body = read(message({ text = "plain", html = "<p>rich</p>" }))
    local boundary = headers["Content-Type"]:match('^multipart/alternative; boundary="([^"]+)"$')
    assert.truthy(boundary)
    local pattern = "^%-%-B\r\n(.-)%-%-B\r\n(.-)%-%-B%-%-\r\n$"
    local plain, html = body:match((pattern:gsub("B", (boundary:gsub("%p", "%%%0"):gsub("%%", "%%%%")))))
    assert.truthy(plain:find("text/plain", 1, true) and plain:find("\r\n\r\nplain\r\n$"))
    assert.truthy(html:find("text/html", 1, true) and html:find("\r\n\r\n<p>rich</p>\r\n$"))
    local only = read(message({ html = "<p>rich</p>" }))
    assert.truthy(only["Content-Type"])
  end)

  it("writes any text in short lines", function()
    local texts = { "", " ", "a \nb\t\n", "=", ("="):rep(200), ("x"):rep(76), ("x"):rep(77),
      ("x"):rep(75) .. "=", ("x"):rep(74) .. "ü", ("ü"):rep(500), "one\r\ntwo\rthree\n.\n..", "\0\127" }
    for _ = 1, 200 do
      local bytes = {}
      for i = 1, math.random(200) do
        bytes[i] = string.char(math.random(0, 255))
      end
      texts[#texts + 1] = table.concat(bytes)
    end
    for _, text in ipairs(texts) do
      local encoded = mime.quoted_printable(text)
      assert_lines(encoded, 76)
      assert.is_nil(encoded:find("[ \t]\r\n"))
      local expected = text:gsub("\r\n?", "\n"):gsub("\n$", "") .. "\n"
      assert.equal((expected:gsub("\n", "\r\n")), decode_quoted(encoded))
    end
  end)

  it("comes to the end of a line of a million bytes", function()
    assert_lines(mime.quoted_printable(("ü"):rep(500000)), 76)
  end)
end)
