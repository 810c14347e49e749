-- How far Lua's heap grows before it is collected; not at all where that is at each wait.
if require("core.config").get().lua.collect_always then
  return
end

describe("the heap", function()
  local MIB = 1024 -- as collectgarbage counts

  -- The most that it holds while so much garbage is made.
  local function most_while(mib)
    local most = 0
    for i = 1, mib * 1024 do
      local _ = ("x"):rep(1000) .. i
      most = math.max(most, collectgarbage("count"))
    end
    return most
  end

  it("grows by no more than 24 MiB where much lives", function()
    local live = {}
    for i = 1, 40 * 1024 do
      live[i] = ("y"):rep(1000) .. i
    end
    collectgarbage()
    local kept = collectgarbage("count")
    assert.is_true(kept > 40 * MIB)
    local most = most_while(200)
    assert.is_true(most > kept + 12 * MIB, ("%d of %d KiB"):format(most, kept))
    assert.is_true(most < kept + 36 * MIB, ("%d of %d KiB"):format(most, kept)) -- a collection takes a while
    assert.equal(40 * 1024, #live)
  end)

  it("grows to some times of what lives where that is little", function()
    collectgarbage()
    collectgarbage()
    local kept = collectgarbage("count")
    assert.is_true(kept < 24 * MIB)
    assert.is_true(most_while(200) > 2 * kept)
  end)
end)
