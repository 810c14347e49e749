-- The plugins' public/ folders. What is there is found out when the generation is built, so a
-- request is one table look-up and can never leave the folders.
--
-- A folder is mounted at manifest.public.mount ("/<plugin>/" when it names none). "page" also
-- finds page.html and page/index.html; manifest.public.pages maps paths with parameters to a
-- page: { ["/track/:code"] = "track.html" }. manifest.public.headers go with its pages, over the
-- default ones: a page that needs another Content-Security-Policy says so.

local crypto = require("core.crypto")
local fs = require("core.fs")
local registry = require("core.registry")
local reply = require("core.reply")
local router = require("core.router")
local sys = require("core.sys")

local M = {}

--- What may be done with any of them.
M.ALLOW = "GET, HEAD, OPTIONS"

local FILE_MAX = 16777216
local DEPTH_MAX = 8

local TYPES = {
  html = "text/html; charset=utf-8", css = "text/css; charset=utf-8",
  js = "text/javascript; charset=utf-8", mjs = "text/javascript; charset=utf-8",
  json = "application/json; charset=utf-8", map = "application/json; charset=utf-8",
  txt = "text/plain; charset=utf-8", md = "text/markdown; charset=utf-8",
  svg = "image/svg+xml", png = "image/png", jpg = "image/jpeg", jpeg = "image/jpeg",
  webp = "image/webp", gif = "image/gif", ico = "image/x-icon", avif = "image/avif",
  woff = "font/woff", woff2 = "font/woff2", wasm = "application/wasm",
  webmanifest = "application/manifest+json", xml = "application/xml; charset=utf-8",
}

-- Set by M.build: raw path -> file, and the paths with parameters.
local files, pages

-- Asked for again each time, which the ETag makes cheap: a page and the modules that it loads are
-- never of two versions.
local CACHE_CONTROL = "no-cache"

local function headers_of(extension, page_headers)
  local headers = { ["Cache-Control"] = CACHE_CONTROL }
  for name, value in pairs(extension == "html" and page_headers or {}) do
    headers[name] = value
  end
  return headers
end

local function describe(path, page_headers)
  local content = fs.read_now(path, FILE_MAX)
  if not content then
    return nil
  end
  local extension = path:match("%.(%w+)$")
  local found = fs.stat(path)
  return {
    path = path,
    type = TYPES[extension] or "application/octet-stream",
    size = #content,
    etag = crypto.hex(crypto.hash("sha256", content)):sub(1, 32),
    modified_ms = found and found.mtime_ms,
    headers = headers_of(extension, page_headers),
  }
end

local function add_file(path, url, name, page_headers)
  local file = describe(path, page_headers)
  files[url .. name] = file
  if name == "index.html" then
    files[url] = file
    files[url:sub(1, -2)] = file
  elseif name:find("%.html$") then
    files[url .. name:sub(1, -6)] = file
  end
end

local function add_folder(folder, url, page_headers, depth)
  if depth > DEPTH_MAX then
    return
  end
  for _, name in ipairs(fs.list_now(folder) or {}) do
    local path = folder .. "/" .. name
    local is_hidden = name:sub(1, 1) == "."
    if not is_hidden and fs.list_now(path) then
      add_folder(path, url .. name .. "/", page_headers, depth + 1)
    elseif not is_hidden then
      add_file(path, url, name, page_headers)
    end
  end
end

local function add_module(module)
  local public = module.manifest.public or {}
  local mount = public.mount or "/" .. module.name .. "/"
  local folder = sys.root() .. "/" .. module.folder .. "/public"
  add_folder(folder, mount, public.headers, 1)
  for path, name in pairs(public.pages or {}) do
    local file = files[mount .. name]
    if not file then
      error(module.folder .. "/manifest.lua: the page " .. name .. " is not in public/", 0)
    end
    pages:add("GET", path, file)
  end
end

--- Looks through the folders of the loaded modules.
function M.build()
  files, pages = {}, router.new()
  for _, module in ipairs(registry.modules) do
    if module.files.public then
      add_module(module)
    end
  end
end

--- The reply to a GET or HEAD of a path, or nil when there is nothing.
function M.find(path)
  local file = files[path]
  if not file then
    local leaf = pages:match(path)
    file = leaf and leaf.methods.GET
  end
  return file and reply.file(file)
end

return M
