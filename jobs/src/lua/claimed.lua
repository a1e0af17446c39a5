-- What is claimed under a token: items parted by spaces, each a job's id, or a run of jobs in a block:
-- `block:from-to`, with `to` the first that is not in it.
local function run_of(item)
  if string.byte(item, 13) ~= 58 then return nil end
  local from, to = string.match(item, '^(%d+)%-(%d+)$', 14)
  return string.sub(item, 1, 12), tonumber(from), tonumber(to)
end
local function item_of_run(block, from, to) return block .. ':' .. from .. '-' .. to end

local function each_item(items) return string.gmatch(items, '%S+') end

local function jobs_in(items)
  local many = 0
  for item in each_item(items) do
    local block, from, to = run_of(item)
    many = many + (block and to - from or 1)
  end
  return many
end

-- Takes an item, or a part of a run, out of what is claimed. Gives whether it was there.
local function take_item(owned, item)
  local block, from, to = run_of(item)
  if not block and #item == 14 then
    -- Until it is moved out of its block a job is claimed as part of a run.
    local its, place = in_block(item)
    for at, other in ipairs(owned) do
      if other == item then return table.remove(owned, at) end
    end
    block, from, to = its, place, place + 1
  end
  for at, other in ipairs(owned) do
    if other == item then return table.remove(owned, at) end
    if block and string.sub(other, 1, 12) == block then
      local _, first, last = run_of(other)
      if first and first <= from and to <= last then
        table.remove(owned, at)
        if to < last then table.insert(owned, at, item_of_run(block, to, last)) end
        if first < from then table.insert(owned, at, item_of_run(block, first, from)) end
        return true
      end
    end
  end
  return nil
end

local function save_claim(token, items)
  if items == '' then
    call('HDEL', CLAIMS, token)
    call('ZREM', LEASES, token)
  else
    call('HSET', CLAIMS, token, items)
  end
end

-- Whether a job is among these items.
local function is_among(items, id)
  if string.find(items, id, 1, true) then return true end
  local block, place = in_block(id)
  if block and string.find(items, block, 1, true) then
    for item in each_item(items) do
      local its, from, to = run_of(item)
      if its == block and from <= place and place < to then return true end
    end
  end
  return false
end

-- Under which token a job is claimed. Only for scripts that claim and settle nothing: they read the claims once.
local all_claims
local function token_of(id)
  all_claims = all_claims or call('HGETALL', CLAIMS)
  for at = 2, #all_claims, 2 do
    if is_among(all_claims[at], id) then return all_claims[at - 1] end
  end
end

-- A worker with leases of so many ms has spoken. While none could, as Redis was away, no lease could be renewed: after a
-- silence their holders get time to do so. Gives until when no lease ends.
local function hear(lease)
  local last, grace = string.match(call('GET', BEAT) or '', '^(%d+) (%d+)$')
  grace = tonumber(grace or 0)
  local was_silent = last and now - last > lease / 2
  if was_silent then grace = now + lease / 2 end
  -- So many a second are enough.
  if was_silent or not last or math.abs(now - last) >= 50 then call('SET', BEAT, int(now) .. ' ' .. int(grace)) end
  return grace
end
