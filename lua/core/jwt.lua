-- Signs and verifies JSON Web Tokens.

return require("host.jwt")
