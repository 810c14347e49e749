-- What each setting may be. The values and their meaning stand in config/default.lua.

local s = require("core.schema")

local function port()
  return s.integer({ min = 0, max = 65535 })
end

local function milliseconds()
  return s.integer({ min = 1, max = 86400000 })
end

local function count(min, max)
  return s.integer({ min = min, max = max })
end

local function text()
  return s.string({ max = 1000 })
end

local function names()
  return s.array({ of = text(), max = 100 })
end

-- Numbers of the section scripts for whom they are not the usual ones.
local function other_limits()
  return s.array({ max = 30,
    of = s.string({ pattern = "^[%l_]+=%d+$", describe = "name=number" }) })
end

return s.object({
  env = s.enum({ "development", "test", "production" }),
  http = s.object({
    address = s.string({ pattern = "^[%x.:]+$", describe = "an IPv4 or IPv6 address" }),
    port = port(),
    unix_socket = text(),
    max_header_bytes = count(1024, 1048576),
    max_headers = count(10, 1000),
    max_url_bytes = count(256, 65536),
    max_body_bytes = count(1024, 104857600),
    max_json_depth = count(20, 512),
    max_query_parameters = count(1, 10000),
    max_form_fields = count(1, 10000),
    max_connections = count(1, 1000000),
    max_unsent_bytes = count(1048576, 1099511627776),
    header_timeout_ms = milliseconds(),
    body_timeout_ms = milliseconds(),
    body_idle_ms = milliseconds(),
    request_timeout_ms = milliseconds(),
    keepalive_timeout_ms = milliseconds(),
    frontend_url = text(),
    allow_private = s.boolean(),
    tls_certificate = text(),
    tls_key = text(),
    trusted_proxies = names(),
    forwarded_header = s.enum({ "x-forwarded-for", "forwarded" }),
    proxy_protocol = s.array({ of = s.enum({ "tcp", "unix" }), max = 2 }),
    gzip_level = count(0, 9),
    gzip_min_bytes = count(1, 1000000),
    gzip_types = names(),
  }),
  ws = s.object({
    max_message = count(1024, 33554432),
    queue_max = count(1024, 134217728),
    ping_ms = milliseconds(),
    deflate = s.boolean(),
  }),
  db = s.object({
    socket = text(),
    host = text(),
    port = port(),
    user = text(),
    password = text(),
    name = s.string({ pattern = "^[%w_$-]+$", describe = "the name of a database" }),
    pool_max = count(2, 1000),
    pool_wait_ms = milliseconds(),
    connect_timeout_ms = milliseconds(),
    statement_timeout_ms = milliseconds(),
  }),
  redis = s.object({
    socket = text(),
    host = text(),
    port = port(),
    password = text(),
    db = count(0, 1000),
    timeout_ms = milliseconds(),
  }),
  image = s.object({
    socket = text(),
    processes = count(0, 64),
    max_pixels = count(1, 1000000000),
    timeout_ms = milliseconds(),
    queue_max = count(1, 10000),
    heic = s.boolean(),
  }),
  sandbox = s.object({
    socket = text(),
    processes = count(1, 4096),
    memory_mb = count(4, 1024),
    patience_ms = milliseconds(),
  }),
  server = s.object({
    data = s.string({ min = 1, max = 1000 }),
    workers = count(0, 256),
    job_workers = count(0, 256),
    grace_ms = milliseconds(),
    heartbeat_ms = count(0, 3600000),
    reload_watch = s.boolean(),
    reload_folders = text(),
  }),
  lua = s.object({ collect_always = s.boolean() }),
  metrics = s.object({ token = text() }),
  plugins = s.object({ disabled = names() }),
  demo = s.object({ past = s.boolean() }),
  log = s.object({
    level = s.enum({ "debug", "info", "warn", "error" }),
    format = s.enum({ "json", "text" }),
    access = text(),
  }),
  files = s.object({
    max_bytes = count(1024, 1073741824),
    report_photos = count(0, 20),
  }),
  auth = s.object({
    bcrypt_cost = count(4, 16),
    access_ttl_s = count(10, 86400),
    refresh_ttl_s = count(60, 31536000),
    issuer = text(),
    audience = text(),
    algorithm = s.enum({ "HS256", "RS256", "ES256" }),
    keys = names(),
    previous_secrets = s.array({ of = s.string({ min = 32, max = 1000 }), max = 10 }),
    secret = s.string({ min = 32, max = 1000 }),
    data_secret = text(),
  }),
  mail = s.object({
    host = text(),
    port = port(),
    user = text(),
    password = text(),
    tls = s.enum({ "required", "optional", "none" }),
    ca_file = text(),
    from = s.string({ format = "email" }),
    from_name = text(),
  }),
  sms = s.object({
    url = s.string({ format = "url" }),
    account = text(),
    token = text(),
    from = text(),
  }),
  limits = s.object({
    scale = count(1, 10000),
    keys = count(1, 10000000),
    login_per_minute = count(1, 1000000),
    register_per_minute = count(1, 1000000),
    forgot_per_minute = count(1, 1000000),
    workspace_per_minute = count(1, 1000000),
    refresh_per_minute = count(1, 1000000),
    anonymous_report_per_minute = count(1, 1000000),
    wrong_key_per_minute = count(1, 1000000),
    frame_per_minute = count(1, 1000000),
    answer_ms = milliseconds(),
    window_ms = milliseconds(),
    free_per_window = count(1, 1000000),
    pro_per_window = count(1, 1000000),
    open_per_minute = count(1, 100000000),
  }),
  cors = s.object({ origins = names() }),
  scripts = s.object({
    canary_failures = count(1, 1000000),
    canary_failure_percent = count(0, 100),
    hook_cpu_ms = milliseconds(),
    hook_wall_ms = milliseconds(),
    hook_calls = count(0, 10000),
    hook_writes = count(0, 10000),
    hook_fetches = count(0, 1000),
    hook_fetches_at_once = count(1, 1000),
    route_cpu_ms = milliseconds(),
    route_wall_ms = milliseconds(),
    route_calls = count(0, 10000),
    route_writes = count(0, 10000),
    route_fetches = count(0, 1000),
    route_fetches_at_once = count(1, 1000),
    event_cpu_ms = milliseconds(),
    event_wall_ms = milliseconds(),
    event_calls = count(0, 10000),
    event_writes = count(0, 10000),
    event_fetches = count(0, 1000),
    event_fetches_at_once = count(1, 1000),
    input_max = count(1024, 163840),
    output_max = count(1024, 163840),
    log_max = count(0, 65536),
    free = other_limits(),
    pro = other_limits(),
    enterprise = other_limits(),
    try = other_limits(),
    request_wall_ms = milliseconds(),
    background_cpu_ms_per_minute = count(1, 60000),
    depth_max = count(1, 100),
    failures_max = count(1, 10000),
    test_wait_ms = milliseconds(),
  }),
  workspaces = s.object({ tier = s.enum({ "free", "pro", "enterprise" }) }),
})
