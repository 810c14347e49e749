--- Files: pictures and documents on what people work with.

local answers = require("services.files.answers")
local kept = require("services.files.kept")
local pictures = require("services.files.pictures")
local service = require("services.files.service")

return {
  prepare = service.prepare,
  attach = service.attach,
  list = service.list,
  list_text = service.list_text,
  list_all = service.list_all,
  covers = service.covers,
  ATTACHMENT = answers.ATTACHMENT,
  select_any = service.select_any,
  select_cover = service.select_cover,
  THUMBNAIL_BEFORE = service.THUMBNAIL_BEFORE,
  THUMBNAIL_AFTER = service.THUMBNAIL_AFTER,
  make_picture = pictures.make_square,
  temporary = kept.temporary,
  store = kept.store,
  keep = kept.keep,
  drop = kept.drop,
  find_kept = kept.find,
  personal = kept.personal,
}
