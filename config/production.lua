-- What differs in production. Secrets and addresses come from the environment.

return {
  http = { address = "0.0.0.0" },
  redis = { host = "127.0.0.1" },
}
