-- Random bytes, hashes, encryption, password hashing.

return require("host.crypto")
