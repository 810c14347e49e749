std = "luajit"
self = false
max_line_length = 100
ignore = { "212/_.*" }
files["**/*_spec.lua"] = { std = "+busted" }
