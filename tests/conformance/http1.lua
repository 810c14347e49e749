-- HTTP/1.1 as RFC 9110 and RFC 9112 want it, one case a row: bytes in, answers out.
--
--   { section, what, bytes, statuses, fate }
--
-- `statuses` is one status or the list of them, in order, interim ones included. `fate` is what
-- the connection must do afterwards: KEEPS serving (the runner sends one more request and wants
-- its answer, so bytes taken for a body or for a further request would show) or CLOSES.
-- `bytes` may be a list of pieces, which are sent with a pause between them. SHUT closes the
-- client's sending side: a half-closed connection.

local KEEPS, CLOSES, SHUT = "keeps", "closes", require("tests.support.raw_http").SHUT

local ACCOUNT = '{"email":"viewer@riverton.example","password":"Fixxit-demo-2026"}'
local LOGIN = "POST /api/v1/auth/login HTTP/1.1"
local JSON = "Content-Type: application/json"
local CHUNKED = "Transfer-Encoding: chunked"

local URL_MAX, HEAD_MAX, HEADERS_MAX, BODY_MAX = 8192, 16384, 100, 1048576

local function head(...)
  return table.concat({ ... }, "\r\n") .. "\r\n\r\n"
end

local function get(...)
  return head("GET /health HTTP/1.1", "Host: x", ...)
end

local function length(n)
  return "Content-Length: " .. n
end

-- A request that succeeds (200) only when its body arrives byte for byte.
local function login(body, ...)
  return head(LOGIN, "Host: x", JSON, ...) .. body
end

local function chunk(text, size)
  return (size or ("%x"):format(#text)) .. "\r\n" .. text .. "\r\n"
end

local HALVES = chunk(ACCOUNT:sub(1, 20)) .. chunk(ACCOUNT:sub(21))

local function url_of(len)
  return "/health?" .. ("a"):rep(len - 8)
end

-- Fields that together are `bytes` long on the wire, with the empty line behind them.
local function head_of(bytes)
  local block = "Host: x\r\nX: \r\n\r\n"
  return "GET /health HTTP/1.1\r\nHost: x\r\nX: " .. ("v"):rep(bytes - #block) .. "\r\n\r\n"
end

local function headers_of(count)
  local lines = {}
  for i = 1, count - 1 do
    lines[i] = "H" .. i .. ": v"
  end
  return get(unpack(lines))
end

local function json_of(bytes)
  return '{"email":"' .. ("x"):rep(bytes - 12) .. '"}'
end

return {
  KEEPS = KEEPS,
  cases = {
    -- The request line
    { "9112 3", "a plain request", get(), 200, KEEPS },
    { "9112 2.2", "an empty line before the request", "\r\n" .. get(), 200, KEEPS },
    { "9112 2.2", "lines ended by a bare LF", "GET /health HTTP/1.1\nHost: x\n\n", 400, CLOSES },
    { "9112 2.2", "a header line ended by a bare LF", "GET /health HTTP/1.1\r\nHost: x\nA: b\r\n\r\n", 400, CLOSES },
    { "9112 2.2", "a head ended by a bare LF", "GET /health HTTP/1.1\r\nHost: x\r\n\n", 400, CLOSES },
    { "9112 2.2", "a head ended by CR and something else", "GET /health HTTP/1.1\r\nHost: x\r\n\rx", 400, CLOSES },
    { "9112 2.2", "a bare CR inside of a line", "GET /health\rHTTP/1.1\r\nHost: x\r\n\r\n", 400, CLOSES },
    { "9112 2.2", "a blank before the first header", "GET /health HTTP/1.1\r\n Host: x\r\n\r\n", 400, CLOSES },
    { "9112 2.2", "bytes that are no HTTP", "\22\3\1\2\0\1\0\1\252\3\3", 400, CLOSES },
    { "9112 3", "two blanks behind the method", "GET  /health HTTP/1.1\r\nHost: x\r\n\r\n", 400, CLOSES },
    { "9112 3", "two blanks behind the target", "GET /health  HTTP/1.1\r\nHost: x\r\n\r\n", 400, CLOSES },
    { "9112 3", "a blank behind the version", "GET /health HTTP/1.1 \r\nHost: x\r\n\r\n", 400, CLOSES },
    { "9112 3", "a blank before the method", " GET /health HTTP/1.1\r\nHost: x\r\n\r\n", 400, CLOSES },
    { "9112 3", "tabs between the parts", "GET\t/health\tHTTP/1.1\r\nHost: x\r\n\r\n", 400, CLOSES },
    { "9112 3.1", "a method in lower case", "get /health HTTP/1.1\r\nHost: x\r\n\r\n", 400, CLOSES },
    { "9110 9.1", "a method that nobody knows", "FETCH /health HTTP/1.1\r\nHost: x\r\n\r\n", 400, CLOSES },
    { "9110 9.1", "a method that is not served", "TRACE /health HTTP/1.1\r\nHost: x\r\n\r\n", 501, CLOSES },
    { "9110 9.3.6", "CONNECT", "CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n", 501, CLOSES },
    { "9112 2.3", "no version at all", "GET /health\r\n\r\n", 505, CLOSES },
    { "9112 2.3", "HTTP/0.9", "GET /health HTTP/0.9\r\nHost: x\r\n\r\n", 505, CLOSES },
    { "9112 2.3", "HTTP/1.2", "GET /health HTTP/1.2\r\nHost: x\r\n\r\n", 505, CLOSES },
    { "9112 2.3", "HTTP/2.0", "GET /health HTTP/2.0\r\nHost: x\r\n\r\n", 505, CLOSES },
    { "9112 2.3", "a version in lower case", "GET /health http/1.1\r\nHost: x\r\n\r\n", 400, CLOSES },
    { "9112 2.3", "a version of three digits", "GET /health HTTP/1.10\r\nHost: x\r\n\r\n", 505, CLOSES },
    { "9112 2.3", "another protocol", "OPTIONS * RTSP/1.0\r\nHost: x\r\n\r\n", 400, CLOSES },
    { "9113 3.4", "the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, CLOSES },
    { "9113 3.4", "the preface in pieces", { "PRI * HT", "TP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0" }, 505, CLOSES },
    { "9112 2.2", "empty lines without end", ("\r\n"):rep(100000), 431, CLOSES },

    -- The target
    { "9112 3.2", "a target without a slash", "GET health HTTP/1.1\r\nHost: x\r\n\r\n", 400, CLOSES },
    { "9112 3.2", "a fragment", "GET /health#a HTTP/1.1\r\nHost: x\r\n\r\n", 400, CLOSES },
    { "3986 2", "an 8-bit target", "GET /h\195\164 HTTP/1.1\r\nHost: x\r\n\r\n", 400, CLOSES },
    { "3986 2", "a control character in the target", "GET /\1 HTTP/1.1\r\nHost: x\r\n\r\n", 400, CLOSES },
    { "9112 3.2.1", "a query", "GET /health?a=b&c HTTP/1.1\r\nHost: x\r\n\r\n", 200, KEEPS },
    { "9112 3.2.2", "the absolute form", "GET http://x/health HTTP/1.1\r\nHost: x\r\n\r\n", 200, KEEPS },
    { "9112 3.2.2", "the absolute form, https, a port, capitals",
      "GET HTTPS://X.example:443/health HTTP/1.1\r\nHost: x\r\n\r\n", 200, KEEPS },
    { "9112 3.2.2", "the absolute form, which goes over another Host",
      "GET http://a.example/health HTTP/1.1\r\nHost: b.example\r\n\r\n", 200, KEEPS },
    { "9112 3.2", "the absolute form without a Host", "GET http://x/health HTTP/1.1\r\n\r\n", 400, CLOSES },
    { "9110 4.2.1", "the absolute form without a host", "GET http:///health HTTP/1.1\r\nHost: x\r\n\r\n", 400, CLOSES },
    { "9110 4.2.4", "the absolute form with a user",
      "GET http://a@x/health HTTP/1.1\r\nHost: x\r\n\r\n", 400, CLOSES },
    { "9112 3.2.2", "the absolute form without a path", "GET http://x?a=b HTTP/1.1\r\nHost: x\r\n\r\n", 404, KEEPS },
    { "9110 4.2.1", "the absolute form of half an IPv6 address",
      "GET http://[::1/health HTTP/1.1\r\nHost: x\r\n\r\n", 400, CLOSES },
    { "3986 3.2.2", "a backslash in the host", "GET http://x\\y/health HTTP/1.1\r\nHost: x\r\n\r\n", 400, CLOSES },
    { "9112 3.2.2", "the scheme of WebSocket", "GET ws://x/ws HTTP/1.1\r\nHost: x\r\n\r\n", 400, CLOSES },
    { "3986 5.2.4", "steps upwards in the path", "GET /dashboard/../health HTTP/1.1\r\nHost: x\r\n\r\n", 404, KEEPS },
    { "3986 3.3", "a path that begins as a host does", "GET //x/health HTTP/1.1\r\nHost: x\r\n\r\n", 404, KEEPS },
    { "9112 3.2.2", "another scheme", "GET ftp://x/health HTTP/1.1\r\nHost: x\r\n\r\n", 400, CLOSES },
    { "9112 3.2.3", "the authority form", "GET x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n", 400, CLOSES },
    { "9112 3.2.4", "OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 204, KEEPS },
    { "9112 3.2.4", "an asterisk for anything else", "GET * HTTP/1.1\r\nHost: x\r\n\r\n", 400, CLOSES },

    -- Host
    { "9112 3.2", "no Host", "GET /health HTTP/1.1\r\n\r\n", 400, CLOSES },
    { "9112 3.2", "two Hosts", get("Host: y"), 400, CLOSES },
    { "9112 3.2", "two equal Hosts", get("Host: x"), 400, CLOSES },
    { "9110 4.2.1", "an empty Host", "GET /health HTTP/1.1\r\nHost:\r\n\r\n", 400, CLOSES },
    { "9110 7.2", "a Host with a path", "GET /health HTTP/1.1\r\nHost: x/y\r\n\r\n", 400, CLOSES },
    { "9110 7.2", "a Host with a user", "GET /health HTTP/1.1\r\nHost: a@x\r\n\r\n", 400, CLOSES },
    { "9110 7.2", "a Host with a blank", "GET /health HTTP/1.1\r\nHost: x y\r\n\r\n", 400, CLOSES },
    { "9110 7.2", "two hosts in a list", "GET /health HTTP/1.1\r\nHost: x, y\r\n\r\n", 400, CLOSES },
    { "9110 7.2", "a port that is no number", "GET /health HTTP/1.1\r\nHost: x:y\r\n\r\n", 400, CLOSES },
    { "9110 7.2", "a Host with a port", "GET /health HTTP/1.1\r\nHost: x.example:8080\r\n\r\n", 200, KEEPS },
    { "9110 7.2", "an IPv6 Host", "GET /health HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", 200, KEEPS },

    -- Header lines
    { "9112 5.1", "a blank before the colon", "GET /health HTTP/1.1\r\nHost : x\r\n\r\n", 400, CLOSES },
    { "9112 5.1", "a tab before the colon", get("A\t: b"), 400, CLOSES },
    { "9112 5.2", "a folded line", get("A: b", " c"), 400, CLOSES },
    { "9112 5.2", "a line folded with a tab", get("A: b", "\tc"), 400, CLOSES },
    { "9112 5.2", "a folded line of blanks alone", get(" "), 400, CLOSES },
    { "9112 5.2", "a folded coding", login("0\r\n\r\n", "Transfer-Encoding:", " chunked"), 400, CLOSES },
    { "9112 5.2", "a folded line in pieces", { "GET /health HTTP/1.1\r\nHost: x\r\nA: b\r\n", " c\r\n\r\n" }, 400, CLOSES },
    { "9112 5", "a line without a colon", get("A"), 400, CLOSES },
    { "9110 5.1", "an empty name", get(": b"), 400, CLOSES },
    { "9110 5.1", "a blank in the name", get("A B: c"), 400, CLOSES },
    { "9110 5.1", "a name that is no token", get("A(: b"), 400, CLOSES },
    { "9110 5.1", "an 8-bit name", get("\195\164: b"), 400, CLOSES },
    { "9110 5.5", "a control character in the value", get("A: \1"), 400, CLOSES },
    { "9110 5.5", "a NUL in the value", get("A: b\0c"), 400, CLOSES },
    { "9110 5.5", "DEL in the value", get("A: \127"), 400, CLOSES },
    { "9110 5.5", "a CR in the value", get("A: b\rc"), 400, CLOSES },
    { "9110 5.5", "8-bit text in the value", get("A: \195\164"), 200, KEEPS },
    { "9110 5.5", "blanks and tabs around the value", get("A: \t b \t "), 200, KEEPS },
    { "9110 5.5", "an empty value", get("A:"), 200, KEEPS },
    { "9110 5.3", "a repeated header", get("A: b", "a: c"), 200, KEEPS },
    { "9110 5.1", "a name in capitals", "GET /health HTTP/1.1\r\nHOST: x\r\n\r\n", 200, KEEPS },

    -- The length of the body
    { "9112 6.2", "Content-Length", login(ACCOUNT, length(#ACCOUNT)), 200, KEEPS },
    { "9112 6.2", "Content-Length with zeros before it", login(ACCOUNT, length("000" .. #ACCOUNT)), 200, KEEPS },
    { "9112 6.2", "Content-Length: 0", get(length(0)), 200, KEEPS },
    { "9112 6.2", "a GET with a body that nobody reads", get(length(4)) .. "abcd", 200, KEEPS },
    { "9112 6.3", "two Content-Lengths", login(ACCOUNT, length(#ACCOUNT), length(1)), 400, CLOSES },
    { "9112 6.3", "two equal Content-Lengths", login(ACCOUNT, length(#ACCOUNT), length(#ACCOUNT)), 400, CLOSES },
    { "9112 6.3", "a list as Content-Length", login("a", length("1, 1")), 400, CLOSES },
    { "9112 6.3", "a sign", login("a", length("+1")), 400, CLOSES },
    { "9112 6.3", "a negative length", login("a", length("-1")), 400, CLOSES },
    { "9112 6.3", "a hexadecimal length", login("a", length("0x1")), 400, CLOSES },
    { "9112 6.3", "a blank inside of the length", login("a", length("1 1")), 400, CLOSES },
    { "9112 6.3", "an empty length", login("a", "Content-Length:"), 400, CLOSES },
    { "9112 6.3", "a length over 64 bits", login("a", length("18446744073709551617")), 400, CLOSES },
    { "9112 6.3", "a length over 63 bits", login("a", length("9223372036854775808")), 400, CLOSES },
    { "9112 6.1", "both Content-Length and chunked", login(HALVES .. chunk(""), length(5), CHUNKED), 400, CLOSES },
    { "9112 6.1", "both, the other way round", login(HALVES .. chunk(""), CHUNKED, length(5)), 400, CLOSES },
    { "9112 6.1", "a coding before chunked", login(chunk(""), "Transfer-Encoding: gzip, chunked"), 501, CLOSES },
    { "9112 6.1", "a coding after chunked", login(chunk(""), "Transfer-Encoding: chunked, gzip"), 400, CLOSES },
    { "9112 6.1", "chunked twice", login(chunk(""), "Transfer-Encoding: chunked, chunked"), 400, CLOSES },
    { "9112 6.1", "chunked on two lines", login(chunk(""), CHUNKED, CHUNKED), 400, CLOSES },
    { "9112 6.1", "a coding that nobody knows", login(chunk(""), "Transfer-Encoding: xchunked"), 501, CLOSES },
    { "9112 6.1", "identity", login(chunk(""), "Transfer-Encoding: identity"), 501, CLOSES },
    { "9112 6.1", "a tab hidden in the coding", login(chunk(""), "Transfer-Encoding: \011chunked"), 400, CLOSES },
    { "9112 6.1", "an empty Transfer-Encoding", login(chunk(""), "Transfer-Encoding:"), 501, CLOSES },
    { "9112 6.1", "a parameter of the coding", login(chunk(""), "Transfer-Encoding: chunked;q=1"), 501, CLOSES },
    { "9112 6.1", "nothing and then chunked", login(chunk(""), "Transfer-Encoding: ,chunked"), 501, CLOSES },
    { "9112 6.1", "chunked and then nothing", login(chunk(""), "Transfer-Encoding: chunked,"), 400, CLOSES },
    { "9112 6.1", "identity on a line before chunked",
      login(chunk(""), "Transfer-Encoding: identity", CHUNKED), 501, CLOSES },
    { "9110 8.4", "a body that is compressed", login("\31\139\8\0", length(4), "Content-Encoding: gzip"), 415, KEEPS },
    { "9112 6.1", "chunked in HTTP/1.0",
      head("POST /api/v1/auth/login HTTP/1.0", "Host: x", JSON, CHUNKED) .. chunk(""), 400, CLOSES },

    -- Chunks
    { "9112 7.1", "two chunks", login(HALVES .. chunk(""), CHUNKED), 200, KEEPS },
    { "9112 7", "the coding in capitals", login(HALVES .. chunk(""), "Transfer-Encoding: CHUNKED"), 200, KEEPS },
    { "9112 7.1", "a size in capitals, with zeros before it",
      login(chunk(ACCOUNT, ("000%X"):format(#ACCOUNT)) .. chunk("", "000"), CHUNKED), 200, KEEPS },
    { "9112 7.1", "one byte at a time", login(ACCOUNT:gsub(".", function(c) return chunk(c) end) .. chunk(""), CHUNKED),
      200, KEEPS },
    { "9112 7.1.2", "trailers, which are dropped",
      login(HALVES .. "0\r\nHost: evil\r\nContent-Length: 5\r\nX-A: b\r\n\r\n", CHUNKED), 200, KEEPS },
    { "9112 7.1.2", "a trailer ended by a bare LF", login(HALVES .. "0\r\nA: b\n\r\n", CHUNKED), 400, CLOSES },
    { "9112 7.1.2", "trailers ended by a bare LF", login(HALVES .. "0\r\nA: b\r\n\n", CHUNKED), 400, CLOSES },
    { "9112 7.1.1", "a chunk extension", login("1;a=b\r\na\r\n0\r\n\r\n", CHUNKED), 400, CLOSES },
    { "9112 7.1.1", "an empty extension", login("1;\r\na\r\n0\r\n\r\n", CHUNKED), 400, CLOSES },
    { "9112 7.1.1", "a quoted extension without end", login('1;a="b\r\na\r\n0\r\n\r\n', CHUNKED), 400, CLOSES },
    { "9112 7.1.1", "an extension without end", login("1;" .. ("a"):rep(300000), CHUNKED), 400, CLOSES },
    { "9112 7.1.2", "a trailer without a colon", login(HALVES .. "0\r\nabc\r\n\r\n", CHUNKED), 400, CLOSES },
    { "9112 7.1.2", "a control character in a trailer", login(HALVES .. "0\r\nA: \1\r\n\r\n", CHUNKED), 400, CLOSES },
    { "9112 7.1.2", "a coding in the trailers", login(HALVES .. "0\r\n" .. CHUNKED .. "\r\n\r\n", CHUNKED), 400, CLOSES },
    { "9112 7.1", "a tab behind the size", login("1\t\r\na\r\n0\r\n\r\n", CHUNKED), 400, CLOSES },
    { "9112 7.1", "two CRs behind the size", login("1\r\r\na\r\n0\r\n\r\n", CHUNKED), 400, CLOSES },
    { "9112 7.1", "a size of zeros without end", login(("0"):rep(200000), CHUNKED), 400, CLOSES },
    { "9112 7.1.1", "an extension of the last chunk", login(HALVES .. "0;a\r\n\r\n", CHUNKED), 400, CLOSES },
    { "9112 7.1", "junk as a size", login("zz\r\na\r\n", CHUNKED), 400, CLOSES },
    { "9112 7.1", "an empty size", login("\r\na\r\n", CHUNKED), 400, CLOSES },
    { "9112 7.1", "a size with a prefix", login("0x1\r\na\r\n", CHUNKED), 400, CLOSES },
    { "9112 7.1", "a negative size", login("-1\r\na\r\n", CHUNKED), 400, CLOSES },
    { "9112 7.1", "a blank before the size", login(" 1\r\na\r\n", CHUNKED), 400, CLOSES },
    { "9112 7.1", "a blank behind the size", login("1 \r\na\r\n", CHUNKED), 400, CLOSES },
    { "9112 7.1", "a size over 64 bits", login("10000000000000001\r\na\r\n", CHUNKED), 400, CLOSES },
    { "9112 7.1", "a chunk longer than its size", login("1\r\nab\r\n", CHUNKED), 400, CLOSES },
    { "9112 7.1", "a bare LF behind the size", login("1\na\r\n0\r\n\r\n", CHUNKED), 400, CLOSES },
    { "9112 7.1", "a bare LF behind the data", login("1\r\na\n0\r\n\r\n", CHUNKED), 400, CLOSES },
    { "9112 7.1", "a bare LF at the end", login(HALVES .. "0\r\n\n", CHUNKED), 400, CLOSES },

    -- Expect
    { "9110 10.1.1", "100-continue", { login("", length(#ACCOUNT), "Expect: 100-continue"), ACCOUNT }, { 100, 200 }, KEEPS },
    { "9110 10.1.1", "100-Continue, chunked",
      { login("", CHUNKED, "Expect: 100-Continue"), HALVES .. chunk("") }, { 100, 200 }, KEEPS },
    { "9110 10.1.1", "100-continue when the body is there already",
      login(ACCOUNT, length(#ACCOUNT), "Expect: 100-continue"), 200, KEEPS },
    { "9110 10.1.1", "100-continue without a body", get("Expect: 100-continue"), 200, KEEPS },
    { "9110 10.1.1", "a body that is refused before it comes",
      head("POST /nothing HTTP/1.1", "Host: x", length(10), "Expect: 100-continue"), 404, CLOSES },
    { "9110 10.1.1", "100-continue of HTTP/1.0",
      { head("POST /api/v1/auth/login HTTP/1.0", JSON, length(#ACCOUNT), "Expect: 100-continue"), ACCOUNT }, 200, CLOSES },
    { "9110 10.1.1", "a body that is refused for its length before it comes",
      head(LOGIN, "Host: x", JSON, length(99999999999), "Expect: 100-continue"), 413, CLOSES },
    { "9110 10.1.1", "100-continue twice", get("Expect: 100-continue", "Expect: 100-continue"), 417, CLOSES },
    { "9110 10.1.1", "another expectation", get("Expect: magic"), 417, CLOSES },

    -- One connection, many requests
    { "9112 9.3", "pipelined requests", get() .. get() .. get(), { 200, 200, 200 }, KEEPS },
    { "9112 9.3.2", "pipelined behind a POST", login(ACCOUNT, length(#ACCOUNT)) .. get(), { 200, 200 }, KEEPS },
    { "9112 9.3.2", "pipelined behind chunks", login(HALVES .. chunk(""), CHUNKED) .. get(), { 200, 200 }, KEEPS },
    { "9112 9.3", "pipelined behind a body that nobody read",
      head("POST /nothing HTTP/1.1", "Host: x", length(5)) .. "GET /" .. get(), { 404, 200 }, KEEPS },
    { "9112 9.3", "pipelined behind chunks that nobody read",
      head("POST /nothing HTTP/1.1", "Host: x", CHUNKED) .. HALVES .. chunk("") .. get(), { 404, 200 }, KEEPS },
    { "9112 9.3", "a request behind a broken one", "GET  / HTTP/1.1\r\n\r\n" .. get(), 400, CLOSES },
    { "9112 9.6", "Connection: close", get("Connection: close"), 200, CLOSES },
    { "9112 9.6", "Connection: Close in a list", get("Connection: x-a, Close"), 200, CLOSES },
    { "9112 9.6", "close on a second line", get("Connection: x-a", "Connection: close"), 200, CLOSES },
    { "9112 9.6", "close and keep-alive", get("Connection: keep-alive, close"), 200, CLOSES },
    { "9112 9.6", "a token that begins as close does", get("Connection: closed"), 200, KEEPS },
    { "9112 9.6", "a request behind close is not served", get("Connection: close") .. get(), 200, CLOSES },
    { "9112 9.3", "HTTP/1.0", "GET /health HTTP/1.0\r\n\r\n", 200, CLOSES },
    { "9112 9.3", "HTTP/1.0 with keep-alive", "GET /health HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", 200, KEEPS },
    { "9110 7.8", "an upgrade that is not served", get("Connection: Upgrade", "Upgrade: h2c"), 200, KEEPS },
    { "9113 3.2", "an upgrade to HTTP/2, which goes on as if it were served",
      get("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__")
        .. "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", { 200, 505 }, CLOSES },
    { "6455 4.1", "a WebSocket that has a body", head("GET /ws HTTP/1.1", "Host: x", "Connection: Upgrade",
      "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
      length(5)) .. "hello", 400, KEEPS },
    { "9112 9.6", "a half-closed client", { get(), SHUT }, 200, CLOSES },
    { "9112 9.6", "a half-closed client with a body", { login(ACCOUNT, length(#ACCOUNT)), SHUT }, 200, CLOSES },
    { "9112 9.6", "a half-closed client, pipelined", { get() .. get() .. get(), SHUT }, { 200, 200, 200 }, CLOSES },
    { "9112 8", "a head that is cut off", { "GET /health HTTP/1.1\r\nHost:", SHUT }, {}, CLOSES },
    { "9112 8", "a body that is cut off", { login(ACCOUNT:sub(1, 10), length(#ACCOUNT)), SHUT }, 400, CLOSES },
    { "9112 8", "chunks that are cut off", { login(HALVES, CHUNKED), SHUT }, 400, CLOSES },

    -- Methods
    { "9110 9.3.2", "HEAD", head("HEAD /health HTTP/1.1", "Host: x"), 200, KEEPS },
    { "9110 9.3.2", "HEAD of what is not there", head("HEAD /nothing HTTP/1.1", "Host: x"), 404, KEEPS },
    { "9110 9.3.2", "HEAD, pipelined", head("HEAD /health HTTP/1.1", "Host: x") .. get(), { 200, 200 }, KEEPS },
    { "9110 9.3.7", "OPTIONS", head("OPTIONS /health HTTP/1.1", "Host: x"), 204, KEEPS },
    { "9110 15.5.6", "a method that is not possible here", head("DELETE /health HTTP/1.1", "Host: x"), 405, KEEPS },

    -- Limits: at, above
    { "9110 4.1", "a URL at the limit", head("GET " .. url_of(URL_MAX) .. " HTTP/1.1", "Host: x"), 200, KEEPS },
    { "9112 3", "a URL above it", head("GET " .. url_of(URL_MAX + 1) .. " HTTP/1.1", "Host: x"), 414, CLOSES },
    { "9112 3", "a URL far above it", "GET /" .. ("a"):rep(200000), 414, CLOSES },
    { "9110 5.4", "a head at the limit", head_of(HEAD_MAX), 200, KEEPS },
    { "9110 5.4", "a head above it", head_of(HEAD_MAX + 1), 431, CLOSES },
    { "9110 5.4", "a head far above it", head_of(200000), 431, CLOSES },
    { "9110 5.4", "a head without end", "GET /health HTTP/1.1\r\nHost: x\r\n" .. ("A: b\r\n"):rep(90) .. ("x"):rep(20000),
      431, CLOSES },
    { "9110 5.4", "as many headers as are allowed", headers_of(HEADERS_MAX), 200, KEEPS },
    { "9110 5.4", "one header more", headers_of(HEADERS_MAX + 1), 431, CLOSES },
    { "9110 8.6", "a body at the limit", login(json_of(BODY_MAX), length(BODY_MAX)), 400, KEEPS },
    { "9110 8.6", "a body above it", login(json_of(BODY_MAX + 1), length(BODY_MAX + 1)), 413, CLOSES },
    { "9110 8.6", "a chunk above it", login(chunk(json_of(BODY_MAX + 1), "200000"), CHUNKED), 413, CLOSES },
    { "9112 7.1.2", "trailers without end", login(HALVES .. "0\r\n" .. ("A: b\r\n"):rep(60000), CHUNKED), 400, CLOSES },
  },
}
