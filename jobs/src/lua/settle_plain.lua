-- ARGV: shift, then seven values a group: token, verdict, kind, items (claimed.lua), delay (ms), code, message
--   Verdicts: done, noted (done by a job that noted something), retry, snooze, back, cancel, dead. All but done and
--   noted are for one job a group.
-- Gives the items that were not settled, as their lease is another's by now: such a result changes nothing.
even_if_full()
local late = {}
local settings = call('HMGET', SETTINGS, 'keep_done', 'keep_done_ms', 'concurrency')
local keep_done_ms = tonumber(settings[2])
local keep_done = tonumber(settings[1]) or (keep_done_ms and math.huge) or 0

-- Plain jobs that are done leave nothing behind.
local function finish_plain(item, _, kind)
  local block, from, to = run_of(item)
  if not block then
    forget(item)
    return count('done', kind)
  end
  count('done', kind, to - from)
  local row = load_row(block)
  if not row then return end
  row.left = row.left - (to - from)
  save_row(block, row)
  if call('EXISTS', STOPS) == 1 then
    for place = from, to - 1 do call('HDEL', STOPS, id_in_block(block, place)) end
  end
end

-- Of one token there are many groups; it is read and written once.
local function settle(conclude)
  local open = {}
  for at = 2, #ARGV, 7 do
    local token, verdict, kind, items = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
    local claim = open[token]
    if not claim then
      claim = { items = call('HGET', CLAIMS, token) }
      open[token] = claim
    end
    local delay, code, message = tonumber(ARGV[at + 4]), ARGV[at + 5], ARGV[at + 6]
    if claim.items == items then
      claim.items, claim.list, claim.changed = '', nil, true
      for item in each_item(items) do conclude(item, verdict, kind, delay, code, message) end
      add('active', -jobs_in(items))
    else
      if not claim.list then
        claim.list = {}
        for item in each_item(claim.items or '') do claim.list[#claim.list + 1] = item end
      end
      local function settle_item(item)
        local block, from, to = run_of(item)
        if take_item(claim.list, item) then
          claim.changed = true
          conclude(item, verdict, kind, delay, code, message)
          add('active', -jobs_in(item))
        elseif block and to - from > 1 then
          -- A part of it may be under the lease still.
          for place = from, to - 1 do settle_item(item_of_run(block, place, place + 1)) end
        else
          late[#late + 1] = item
          count('late', kind)
        end
      end
      for item in each_item(items) do settle_item(item) end
      claim.items = table.concat(claim.list, ' ')
    end
  end
  for token, claim in pairs(open) do
    if claim.changed then save_claim(token, claim.items) end
  end
end

local kept = call('ZCARD', DONE)
local function is_plain()
  if keep_done > 0 or kept > 0 then return false end
  for at = 3, #ARGV, 7 do
    -- A letter at its end is of a job with options.
    if ARGV[at] ~= 'done' or string.find(ARGV[at + 2] .. ' ', '%a ') then return false end
  end
  return true
end

local function answer(more_to_run)
  write_seq()
  write_counts()
  if more_to_run or settings[3] then wake() end
  return table.concat(late, ' ')
end

-- Most calls end here. What the others need takes Redis longer to set up than this takes to do.
if is_plain() then
  settle(finish_plain)
  return answer()
end
