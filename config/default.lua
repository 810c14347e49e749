-- Every setting with its meaning. config/<env>.lua, the environment (FIXXIT_<SECTION>_<KEY> and
-- the names listed in lua/core/config.lua) and flags go over it, in that order.
-- What each may be stands in lua/core/config_schema.lua.

return {
  http = {
    address = "127.0.0.1", -- IPv4 or IPv6 address to listen on
    port = 8080, -- 0: no TCP listener
    unix_socket = "", -- path of a further listener, "" for none
    max_header_bytes = 16384, -- request line and header block; more is 431
    max_headers = 100,
    max_url_bytes = 8192, -- more is 414
    max_body_bytes = 1048576, -- of a JSON body, or of a form's texts together; more is 413
    max_json_depth = 32, -- arrays and objects inside each other; more is 400
    max_query_parameters = 100, -- more is 400, as with these:
    max_form_fields = 100, -- texts of a form
    max_connections = 20000, -- per worker; further ones are closed at once
    max_unsent_bytes = 268435456, -- per worker, of answers that wait for slow readers; beyond it
    -- the next one is closed, and to make room those who wait for longest
    header_timeout_ms = 10000, -- from the first to the last byte of a head
    body_timeout_ms = 300000, -- for a whole body
    body_idle_ms = 20000, -- without any byte, in either direction
    request_timeout_ms = 30000, -- for the work on one request
    keepalive_timeout_ms = 75000, -- an idle connection
    frontend_url = "", -- where the pages live that mails link to; "": on this server
    allow_private = false, -- let requests of ours reach loopback and private networks
    tls_certificate = "", -- paths of PEM files: the chain and its key; with them the TCP listener
    tls_key = "", -- speaks TLS only. Read again by a reload
    trusted_proxies = {}, -- networks ("10.0.0.0/8"), or "unix": their word about the client counts
    forwarded_header = "x-forwarded-for", -- what they write it into, with x-forwarded-proto and
    -- x-forwarded-host beside it; the other: "forwarded", which tells all three
    proxy_protocol = {}, -- "tcp", "unix": listeners whose connections begin with a PROXY header
    gzip_level = 3, -- of answers; 0: none is compressed
    gzip_min_bytes = 1024, -- smaller ones are not worth it
    gzip_types = { -- what is not compressed already
      "application/geo+json", "application/javascript", "application/json",
      "application/manifest+json", "application/xml", "image/svg+xml", "text/css", "text/csv",
      "text/html", "text/javascript", "text/markdown", "text/plain", "text/xml",
    },
  },
  ws = {
    max_message = 1048576, -- bytes of one message, 32 MiB at most
    queue_max = 1048576, -- bytes waiting for a slow reader before it is closed with 4408
    ping_ms = 25000,
    deflate = true, -- compress for clients that offer it (permessage-deflate)
  },
  db = {
    socket = "", -- path of MariaDB's Unix socket; else host and port
    host = "",
    port = 3306,
    user = "fixxit",
    password = "",
    name = "fixxit",
    pool_max = 12, -- connections per process
    pool_wait_ms = 5000, -- for a free one; then 503
    connect_timeout_ms = 3000,
    statement_timeout_ms = 15000,
  },
  redis = {
    socket = "", -- path of Redis's Unix socket; else host and port
    host = "",
    port = 6379,
    password = "",
    db = 0,
    timeout_ms = 500, -- for one answer; without one the work goes on without Redis
  },
  image = {
    socket = "", -- "": run/image.sock in the data folder
    processes = 0, -- 0: one for two cores, 1 to 16; 8 MiB each
    max_pixels = 50000000, -- width x height x pages, looked at before decoding
    timeout_ms = 15000,
    queue_max = 32, -- pictures waiting; more is 503
    heic = false, -- load HEIC (its decoder is large and has a history)
  },
  sandbox = {
    socket = "", -- "": run/sandbox.sock in the data folder
    processes = 256, -- of scripts, at a time; the one unused for longest makes room
    memory_mb = 16, -- of one
    patience_ms = 2000, -- for its last word about a run that was cancelled; then it is killed
  },
  server = {
    data = "var", -- folder of files, sockets and logs; relative to where the program starts
    workers = 0, -- HTTP workers; 0: one per core
    job_workers = 1,
    grace_ms = 10000, -- for requests under way when stopping
    heartbeat_ms = 10000, -- a worker whose loop stands still for so long is killed; 0: never
    reload_watch = false, -- reload when a file is saved
    reload_folders = "lua,plugins,config,tenants,migrations,.env", -- what a generation is made of
  },
  lua = {
    collect_always = false, -- tests: collect all garbage whenever Lua waits. Never in production
  },
  metrics = {
    token = "", -- what GET /metrics wants as a Bearer token; "": only this machine may ask, and
    -- nothing that a proxy passes on
  },
  plugins = {
    disabled = {}, -- names of plugins that are not loaded
  },
  demo = {
    past = true, -- the demo world has two months behind it, and a release of rules
  },
  log = {
    level = "info", -- debug, info, warn, error
    format = "json", -- json: an object a line; text: for people
    access = "", -- file for the lines about requests, opened again on SIGUSR1; "": with the others
  },
  files = {
    max_bytes = 10485760, -- of one upload
    report_photos = 3, -- pictures of one report
  },
  auth = {
    bcrypt_cost = 12,
    access_ttl_s = 900,
    refresh_ttl_s = 604800,
    issuer = "fixxit",
    audience = "fixxit",
    algorithm = "HS256", -- of access tokens; or "RS256", "ES256", with keys
    keys = {}, -- "kid=path" of PEM files: the first (a private key) signs, all verify and are
    -- published at /.well-known/jwks.json; to rotate, put the new one in front
    previous_secrets = {}, -- with HS256: secrets of before, whose tokens still count
    secret = "", -- at least 32 characters; production takes no built-in one
    data_secret = "", -- seals personal data; empty: derived from `secret`, which then must stay
  },
  mail = {
    host = "", -- the mail server; "": development keeps mails in /dev/mailbox, production has none
    port = 587, -- 465: TLS from the start, else STARTTLS
    user = "", -- "": without signing in
    password = "",
    tls = "required", -- or "optional", "none"
    ca_file = "", -- PEM of the authorities to trust instead of the system's
    from = "no-reply@fixxit.example",
    from_name = "Fixxit",
  },
  sms = {
    url = "https://api.twilio.com", -- or of a service with the same API
    account = "", -- its SID; "": development keeps text messages in /dev/mailbox
    token = "",
    from = "", -- the number that sends, like +15005550006
  },
  limits = {
    scale = 1, -- multiplies every count below
    keys = 100000, -- callers remembered at the same time, by all processes of a node
    answer_ms = 50, -- that a class of at most 60 a minute waits for Redis, with several nodes
    login_per_minute = 10, -- each of these per address
    register_per_minute = 5,
    forgot_per_minute = 5,
    workspace_per_minute = 20, -- made, invited to, joined
    refresh_per_minute = 60,
    anonymous_report_per_minute = 10,
    wrong_key_per_minute = 30, -- API keys that there are none of
    frame_per_minute = 6000, -- of sockets: those that ask the database
    window_ms = 900000, -- the next two are within it
    free_per_window = 100, -- per user or anonymous caller's address, by the tenant's tier
    pro_per_window = 1000,
    open_per_minute = 6000000, -- per address, where nothing else applies: enterprise, no tenant
  },
  cors = {
    origins = {}, -- exact origins such as "https://app.example.org"
  },
  scripts = {
    canary_failures = 3, -- a canary of scripts is taken back when so many of its runs failed
    canary_failure_percent = 10, -- and they are so many of a hundred
    -- What a run may use: hook_ is a before hook or a guard, event_ also a schedule and a step of
    -- an escalation.
    hook_cpu_ms = 10,
    hook_wall_ms = 250,
    hook_calls = 20,
    hook_writes = 0, -- of the calls
    hook_fetches = 0, -- requests to other servers
    hook_fetches_at_once = 1, -- of one tenant in each worker
    route_cpu_ms = 50,
    route_wall_ms = 4000,
    route_calls = 50,
    route_writes = 20,
    route_fetches = 2,
    route_fetches_at_once = 1,
    event_cpu_ms = 500,
    event_wall_ms = 30000,
    event_calls = 150,
    event_writes = 50,
    event_fetches = 5,
    event_fetches_at_once = 2,
    input_max = 131072, -- bytes of what a run is given
    output_max = 65536, -- of what it answers
    log_max = 8192, -- of what it logs
    free = {}, -- other limits for a tier: "event_cpu_ms=200", ...
    pro = {},
    enterprise = {},
    try = {}, -- tighter limits that only warn: in the records of runs, and as metrics
    request_wall_ms = 2000, -- of all before hooks of one request
    background_cpu_ms_per_minute = 10000, -- of a tenant's events and schedules, on each node
    depth_max = 8, -- of rules that set each other off
    failures_max = 20, -- running, after which a handler is switched off
    test_wait_ms = 5000, -- for a dry run in its request; then it goes on as a job
  },
  workspaces = {
    tier = "free", -- of new ones: free, pro or enterprise
  },
}
