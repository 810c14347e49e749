std = "luajit"
self = false
max_line_length = 100
ignore = { "212/_.*" }
files["tests"] = { max_line_length = 140 }
files["tests/bench/rules/inside.lua"] = { std = "+busted" }
files["**/*_spec.lua"] = { std = "+busted", max_line_length = 140 }
exclude_files = { "tests/sandbox", "tests/fuzz/corpus" } -- what must not be written
