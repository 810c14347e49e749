--- Uploads become contents: looked at by what they are, not by their names; pictures cleaned of
-- everything but the picture, in the image process.

local errors = require("core.errors")
local fs = require("core.fs")
local image = require("core.image")
local content = require("services.files.content")

local M = {}

local QUALITY = 85
local TYPES = {
  jpeg = "image/jpeg",
  png = "image/png",
  webp = "image/webp",
  gif = "image/gif",
  heic = "image/heic",
  avif = "image/avif",
}
-- What the image process says about a file that is the sender's fault.
local REFUSED = {
  INVALID = "is not a picture that can be read",
  TOO_LARGE = "has too many pixels",
}
local PDF = "application/pdf"

local function refuse(field, message)
  errors.raise("INVALID_FILE", "1 file cannot be taken",
    { details = { { field = field, code = "file", message = message } } })
end

local function check(field, value, err)
  if value == nil and REFUSED[err.code] then
    refuse(field, REFUSED[err.code])
  end
  return errors.check(value, err)
end

local function store_picture(upload, field, found)
  local made = content.temporary()
  local clean, err = image.clean(upload.path, made, { quality = QUALITY })
  if not clean then
    fs.unlink(made)
    check(field, clean, err)
  end
  local position = clean.gps or found.gps
  return {
    sha256 = clean.sha256,
    path = content.install(made, clean.sha256),
    type = TYPES[clean.format] or "application/octet-stream",
    size = clean.size,
    width = clean.width,
    height = clean.height,
    name = upload.filename,
    gps = position and { latitude = position.latitude, longitude = position.longitude },
  }
end

-- A PDF is kept as it came and never decoded. Copied: the upload itself goes with its request.
local function store_document(upload)
  local made = content.temporary()
  errors.check(fs.copy(upload.path, made))
  return {
    sha256 = upload.sha256,
    path = content.install(made, upload.sha256),
    type = PDF,
    size = upload.size,
    name = upload.filename,
  }
end

--- Checks and stores the content of one upload. Waits; outside any transaction.
-- @param upload {path, filename, size, sha256} of a multipart body
-- @param field how the answer names it: "photos[0]"
-- @param kinds "picture", or "any" for PDF too
-- @return {sha256, path, type, size, width, height, name, gps}
function M.store(upload, field, kinds)
  local found = check(field, image.inspect(upload.path))
  if found.format == "pdf" and kinds == "any" then
    return store_document(upload)
  elseif not TYPES[found.format] then
    refuse(field, "must be a JPEG, PNG, WebP or GIF picture")
  end
  return store_picture(upload, field, found)
end

--- Makes a square picture of one upload and stores it, without keeping the upload. Waits; outside
-- any transaction.
-- @param options size (px), format ("webp")
-- @return {sha256, path, type, size, width, height}
function M.make_square(upload, field, options)
  local found = check(field, image.inspect(upload.path))
  if not TYPES[found.format] then
    refuse(field, "must be a JPEG, PNG, WebP or GIF picture")
  end
  local made = content.temporary()
  local done, err = image.thumbnail(upload.path, made,
    { width = options.size, height = options.size, fit = "cover", format = options.format })
  if not done then
    fs.unlink(made)
    check(field, done, err)
  end
  return {
    sha256 = done.sha256,
    path = content.install(made, done.sha256),
    type = TYPES[done.format],
    size = done.size,
    width = done.width,
    height = done.height,
  }
end

--- What the types of files begin with that can be decoded.
M.TYPES = "image/"

--- Whether files of this type can be decoded.
function M.is_picture(type)
  return type:sub(1, #M.TYPES) == M.TYPES
end

return M
