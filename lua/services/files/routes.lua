--- Uploading, reading and deleting files.

local errors = require("core.errors")
local json = require("core.json")
local reply = require("core.reply")
local s = require("core.schema")
local answers = require("services.files.answers")
local content = require("services.files.content")
local pictures = require("services.files.pictures")
local service = require("services.files.service")
local thumbnails = require("services.files.thumbnails")

local HEADERS = {
  ["Cache-Control"] = "private, max-age=300",
  ["Content-Security-Policy"] = "default-src 'none'; sandbox",
  ["X-Content-Type-Options"] = "nosniff",
}
local DEFAULT_SIZE = "320"

local function size()
  return s.enum({ "64", "128", "256", "320", "640", "1280", optional = true })
end

local function track()
  return s.string({ max = 20, optional = true, describe = "the tracking code of the report" })
end

local READ = s.object({ track = track() })
local THUMBNAIL = s.object({
  w = size(),
  h = size(),
  fit = s.enum({ "cover", "contain", "inside", default = "cover" }),
  format = s.enum({ "jpeg", "webp", "png", "avif", default = "jpeg" }),
  track = track(),
})
local UPLOAD = s.object({
  parentType = s.string({ min = 1, max = 40 }),
  parentId = s.string({ format = "uuid" }),
  caption = s.string({ max = 500, trim = true, optional = true }),
})

local function show(ctx, input)
  local file = service.find(ctx, input.params.id)
  return reply.file({
    path = content.path(file.path),
    type = file.file_type,
    size = file.file_size,
    etag = file.sha256,
    name = file.original_name,
    disposition = pictures.is_picture(file.file_type) and "inline" or "attachment",
    headers = HEADERS,
  })
end

local function show_thumbnail(ctx, input)
  local file = service.find(ctx, input.params.id)
  if not pictures.is_picture(file.file_type) then
    errors.raise("NOT_FOUND", "There is no picture of this file")
  end
  local query = input.query
  local made = thumbnails.get(file, {
    width = tonumber(query.w or query.h or DEFAULT_SIZE),
    height = tonumber(query.h or query.w or DEFAULT_SIZE),
    fit = query.fit,
    format = query.format,
  })
  return reply.file({
    path = made.path,
    type = "image/" .. query.format,
    size = made.size,
    etag = made.name,
    disposition = "inline",
    headers = HEADERS,
  })
end

local function upload(ctx, input)
  local file = input.files and input.files.file and input.files.file[1]
  if not file then
    errors.validation({ { field = "file", code = "required", message = "is required" } })
  end
  local attachment, meta = service.upload(ctx, input.body, file)
  return reply.created(attachment.url, attachment, { meta = meta })
end

local function delete(ctx, input)
  service.delete(ctx, input.params.id)
  return reply.ok(json.null)
end

-- Reading asks no tenant and no sign-in of its own: the file's parent decides.
return {
  { method = "GET", path = "/files/:id", summary = "A file, to those who may see its parent.",
    permission = "public", tenant = false, query = READ,
    answers = { [200] = "the content", [206] = "the range asked for", [404] = "no such file" },
    content = { type = "*/*" }, versioned = true,
    handler = show },
  { method = "GET", path = "/files/thumbnail/:id", summary = "A smaller version of a picture.",
    permission = "public", tenant = false, query = THUMBNAIL,
    answers = { [200] = "the picture", [404] = "no such picture" },
    content = { type = "image/*" }, versioned = true, handler = show_thumbnail },
  { method = "POST", path = "/files/upload", summary = "Put a file onto a parent.",
    permission = "user", body = UPLOAD, multipart = { file = { max = 1, required = true } },
    answers = { [201] = "the attachment", [404] = "no such parent" },
    returns = answers.ATTACHMENT, meta = answers.UPLOADED_META, handler = upload },
  { method = "DELETE", path = "/files/:id", summary = "Delete a file.",
    permission = "user", answers = { [200] = "deleted", [403] = "may be seen, not changed" },
    returns = false, versioned = true,
    handler = delete },
}
