-- What wrk sends and what it tells at the end. BENCH_REQUESTS names a file with a request a line:
-- method, path, token, body, a further header, separated by tabs. They are put together before the load begins.

local requests, next_one = {}, 0
-- luacheck: globals init request done wrk

function init()
  for line in io.lines(os.getenv("BENCH_REQUESTS")) do
    local method, path, token, body, header = line:match("^(.-)\t(.-)\t(.-)\t(.-)\t(.*)$")
    local headers = { ["Host"] = "localhost", ["User-Agent"] = "bench" }
    if token ~= "" then
      headers["Authorization"] = "Bearer " .. token
    end
    if header ~= "" then
      headers[header:match("^[^:]+")] = header:match(": (.*)$")
    end
    if body ~= "" then
      headers["Content-Type"] = "application/json"
    end
    requests[#requests + 1] = wrk.format(method, path, headers, body ~= "" and body or nil)
  end
  next_one = tonumber(os.getenv("BENCH_FIRST")) % #requests
end

function request()
  next_one = next_one % #requests + 1
  return requests[next_one]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(("\nresult requests=%d duration_us=%d p50_us=%d p99_us=%d refused=%d broken=%d\n"):format(
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
