-- Numbers that all processes of a node share, by name.

return require("host.counters")
