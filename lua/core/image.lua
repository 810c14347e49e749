-- Pictures, looked at and worked on by the jailed image process.

return require("host.image")
