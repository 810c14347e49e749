--- Raw deflate streams by zlib, for tests of permessage-deflate.
local ffi = require("ffi")

ffi.cdef([[
typedef struct {
  const char *next_in; unsigned avail_in; unsigned long total_in;
  char *next_out; unsigned avail_out; unsigned long total_out;
  const char *msg; void *state; void *zalloc, *zfree, *opaque;
  int data_type; unsigned long adler, reserved;
} z_stream;
const char *zlibVersion(void);
int inflateInit2_(z_stream *stream, int bits, const char *version, int size);
int inflate(z_stream *stream, int flush);
int inflateEnd(z_stream *stream);
int deflateInit2_(z_stream *stream, int level, int method, int bits, int memory, int strategy,
  const char *version, int size);
int deflate(z_stream *stream, int flush);
int deflateEnd(z_stream *stream);
]])

local lib = ffi.load("z")

local M = {}

local SYNC_FLUSH, DEFLATED = 2, 8
local TAIL = "\0\0\255\255"
local MAX_BYTES = 4 * 1024 * 1024

local function run(stream, step, text)
  local out = ffi.new("char[?]", MAX_BYTES)
  stream.next_in, stream.avail_in = text, #text
  stream.next_out, stream.avail_out = out, MAX_BYTES
  assert(step(stream, SYNC_FLUSH) == 0 and stream.avail_in == 0 and stream.avail_out > 0)
  return ffi.string(out, MAX_BYTES - stream.avail_out)
end

--- The payload of a compressed message, by a window of 2^bits at most.
function M.inflate(payload, bits)
  local stream = ffi.new("z_stream")
  assert(lib.inflateInit2_(stream, -(bits or 15), lib.zlibVersion(), ffi.sizeof(stream)) == 0)
  local text = run(stream, lib.inflate, payload .. TAIL)
  lib.inflateEnd(stream)
  return text
end

--- The payload that a client sends for a message.
function M.deflate(text)
  local stream = ffi.new("z_stream")
  assert(lib.deflateInit2_(stream, 9, DEFLATED, -15, 8, 0, lib.zlibVersion(),
    ffi.sizeof(stream)) == 0)
  local payload = run(stream, lib.deflate, text)
  lib.deflateEnd(stream)
  return payload:sub(1, -#TAIL - 1)
end

return M
