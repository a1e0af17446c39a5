-- ARGV: shift, then seven values a group: token, verdict, kind, items (claimed.lua), delay (ms), code, message
--   Verdicts: done, noted (done by a job that noted something), retry, snooze, back, cancel, dead. All but done and
--   noted are for one job a group.
-- Gives the items that were not settled, as their lease is another's by now: such a result changes nothing.
even_if_full()
local late = {}
local settings = call('HMGET', SETTINGS, 'keep_done', 'keep_done_ms', 'concurrency')
local keep_done_ms = tonumber(settings[2])
local keep_done = tonumber(settings[1]) or (keep_done_ms and math.huge) or 0

local function keep(id)
  move_out(id)
  call('HDEL', STOPS, id)
  call('ZADD', DONE, int(now), id)
end

local function finish(id, ending)
  local has_options = string.byte(id, -1) >= BYTE_A
  local kept = ending == 'done' and keep_done > 0
  local options = has_options and options_of(call('HGET', JOBS, id))
  if kept then keep(id) else forget(id) end
  if options then let_go(id, options, ending, counts_while_active(options), kept) end
end

local function finish_run(block, from, to)
  if keep_done > 0 then
    for place = from, to - 1 do keep(id_in_block(block, place)) end
    return
  end
  local row = load_row(block)
  if not row then return end
  row.left = row.left - (to - from)
  save_row(block, row)
  if call('EXISTS', STOPS) == 1 then
    for place = from, to - 1 do call('HDEL', STOPS, id_in_block(block, place)) end
  end
end

-- Gives whether it runs again: not if it was cancelled meanwhile.
local function later(id, delay, past)
  local record = call('HGET', JOBS, id)
  local options = options_of(record)
  if drop_if_cancelled(id, options, record) then return false end
  local lane = options and options.l
  -- Where order is to be kept (h) a job keeps its place in its lane while it is put off.
  past.k = lane and options.h and 1 or nil
  if not past.k and options and counts_while_active(options) then make_room(options) end
  save_past(id, past)
  if delay > 0 then
    put_off(id, now + delay)
  elseif lane and not past.k then
    admit(id, options)
  else
    put_in_line(id, options)
  end
  return true
end

local function postpone(id, verdict, kind, delay)
  local past = load_past(id)
  if verdict == 'back' and delay > 0 then
    -- Longer each time, up to a minute: no worker here may know such jobs for a long while.
    past.h = (past.h or 0) + 1
    delay = math.min(delay * 2 ^ math.min(past.h - 1, 10), math.max(delay, 60000))
  end
  if later(id, delay, past) then count(verdict == 'snooze' and 'snoozed' or 'handed_back', kind) end
end

local function fail(id, verdict, kind, delay, code, message)
  local record, past = call('HGET', JOBS, id), load_past(id)
  past.a = (past.a or 0) + 1
  note_failure(past, code, message)
  if verdict == 'retry' and past.a < attempts_of(record) then
    if later(id, delay, past) then count('retried', kind) end
  elseif verdict == 'dead' or not drop_if_cancelled(id, options_of(record), record) then
    bury(id, record, past)
  end
end

local function conclude(verdict, kind, item, delay, code, message)
  local block, from, to = run_of(item)
  if verdict == 'done' or verdict == 'noted' then
    if block then finish_run(block, from, to) else finish(item, 'done') end
    if verdict == 'noted' and keep_done == 0 then
      for place = from or 0, (to or 1) - 1 do call('HDEL', PAST, block and id_in_block(block, place) or item) end
    end
    return count('done', kind, block and to - from or 1)
  end
  local id = block and id_in_block(block, from) or item
  move_out(id)
  if verdict == 'cancel' then
    finish(id, 'cancelled')
    count('cancelled', kind)
  elseif verdict == 'snooze' or verdict == 'back' then
    postpone(id, verdict, kind, delay)
  else
    fail(id, verdict, kind, delay, code, message)
  end
end

-- Of one token there are many groups; it is read and written once.
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
    for item in each_item(items) do conclude(verdict, kind, item, delay, code, message) end
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
        conclude(verdict, kind, item, delay, code, message)
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

local kept = call('ZCARD', DONE)
if kept > 0 then
  -- In bounded steps.
  local gone = kept > keep_done and call('ZRANGE', DONE, 0, math.min(500, kept - keep_done) - 1) or {}
  if keep_done_ms and #gone == 0 then
    gone = call('ZRANGEBYSCORE', DONE, '-inf', int(now - keep_done_ms), 'LIMIT', 0, 500)
  end
  for _, id in ipairs(gone) do
    local options = options_of(call('HGET', JOBS, id))
    if options then unindex(id, options) end
    call('ZREM', DONE, id)
    forget(id)
  end
end
write_seq()
write_counts()
if stirred or settings[3] then wake() end
return table.concat(late, ' ')
