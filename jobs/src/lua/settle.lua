-- After settle_plain.lua: where anything else is to be settled.
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

local function conclude_done(item, verdict, kind)
  local block, from, to = run_of(item)
  local function each_job(act)
    for place = from or 0, (to or 1) - 1 do act(block and id_in_block(block, place) or item) end
  end
  if block and keep_done == 0 then
    finish_plain(item, verdict, kind)
  else
    each_job(function(id) finish(id, 'done') end)
    count('done', kind, block and to - from or 1)
  end
  if verdict == 'noted' and keep_done == 0 then each_job(function(id) call('HDEL', PAST, id) end) end
end

local function conclude(item, verdict, kind, delay, code, message)
  if verdict == 'done' or verdict == 'noted' then return conclude_done(item, verdict, kind) end
  local block, from = run_of(item)
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

settle(conclude)
kept = call('ZCARD', DONE)
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
return answer(stirred)
