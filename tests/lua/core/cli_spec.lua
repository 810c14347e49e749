local cli = require("core.cli")

local COMMAND = { options = { { "--dry-run", "" }, { "--count N", "" } } }

describe("the words of a command", function()
  it("are options with and without values, and the rest", function()
    local args, options = cli.parse(COMMAND,
      { "down", "--dry-run", "--count", "3", "--port=80", "x" })
    assert.same({ "down", "x" }, args)
    assert.same({ dry_run = true, count = "3", port = "80" }, options)
  end)

  it("are refused when an option is unknown or lacks its value", function()
    assert.same({ nil, "there is no option --fast" }, { cli.parse(COMMAND, { "--fast" }) })
    assert.same({ nil, "--count needs a value" }, { cli.parse(COMMAND, { "--count" }) })
  end)
end)

describe("the help", function()
  it("knows every command", function()
    local text = cli.help()
    for _, name in ipairs({ "dev", "serve", "migrate", "reload", "jobs", "user", "token" }) do
      assert.matches("\n  " .. name .. " ", text)
      assert.matches("fixxit " .. name, cli.help(name), 1, true)
    end
  end)
end)
