--- What the calls on files answer, as the API's description tells it.

local s = require("core.schema")

local M = {}

--- A file on a parent. A field that is empty is left out.
M.ATTACHMENT = s.object({
  id = s.string({ format = "uuid" }),
  fileId = s.string({ format = "uuid" }),
  url = s.string(),
  thumbnailUrl = s.string({ optional = true, describe = "of a picture" }),
  type = s.string({ describe = "by its content, not by its name" }),
  size = s.integer({ describe = "bytes" }),
  width = s.integer({ optional = true }),
  height = s.integer({ optional = true }),
  caption = s.string({ optional = true }),
  position = s.integer(),
  kind = s.string({ optional = true, describe = "such as before and after" }),
}, { name = "Attachment" })

M.UPLOADED_META = s.object({
  exifLocation = s.object({ latitude = s.number(), longitude = s.number() }, { optional = true,
    describe = "where the picture says that it was taken" }),
})

return M
