-- After claim_plain.lua: where jobs are due, or lost, or have options, or the queue has limits.
if #due > 0 then
  call('ZREM', DELAYED, unpack(due))
  local by_priority = {}
  for _, id in ipairs(due) do
    local priority, has_options = nature(id)
    if has_options then
      local options = options_of(call('HGET', JOBS, id))
      if options and options.l and not load_past(id).k then admit(id, options) else put_in_line(id, options) end
    else
      local line = by_priority[priority] or {}
      line[#line + 1] = id
      by_priority[priority] = line
    end
  end
  for priority, line in pairs(by_priority) do
    call('RPUSH', KEYS[WAIT + priority], unpack(line))
    add('waiting', #line)
  end
end

local function rescue(id)
  move_out(id)
  local record = call('HGET', JOBS, id)
  if not record then return end
  local options, past = options_of(record), load_past(id)
  if drop_if_cancelled(id, options, record) then return end
  past.a = (past.a or 0) + 1
  note_failure(past, 'lease_lost', 'its worker died, or was silent for longer than the lease')
  if past.a >= attempts_of(record) then return bury(id, record, past) end
  save_past(id, past)
  if options and options.l and not counts_while_active(options) then admit(id, options) else put_in_front(id, options) end
  count('rescued', kind_of(record))
end

if over then
  local items, lost = call('HGET', CLAIMS, over) or '', {}
  save_claim(over, '')
  for item in each_item(items) do
    local block, from, to = run_of(item)
    for place = from or 0, (to or 1) - 1 do lost[#lost + 1] = block and id_in_block(block, place) or item end
  end
  for at = #lost, 1, -1 do rescue(lost[at]) end
  add('active', -#lost)
end

if limit and most > 0 then
  limit = limit - (call('HGET', COUNTS, 'active') or 0) - (counted.active or 0)
  most = math.max(0, math.min(most, limit))
end
-- No stretch of `rate_ms`, wherever it begins, has more than `rate` starts. Starts are remembered in at most some
-- seventeen groups, each of a sixteenth of that time and forgotten with its last one: `first last many;…`.
local rate_ms, starts = tonumber(settings[4]), {}
if rate then
  local allowed = rate
  for first, last, many in string.gmatch(settings[5] or '', '(%d+) (%d+) (%d+);') do
    if last + rate_ms > now then
      starts[#starts + 1] = { first = tonumber(first), last = tonumber(last), many = tonumber(many) }
      allowed = allowed - many
    end
  end
  if allowed < most then
    most, too_fast = math.max(0, allowed), true
    if starts[1] then look_again_in(math.max(0, starts[1].last + rate_ms - now - beyond)) end
  end
end
write_starts = function()
  local group = starts[#starts]
  if group and now < group.first + rate_ms / 16 then
    group.last, group.many = now, group.many + claimed
  else
    starts[#starts + 1] = { first = now, last = now, many = claimed }
  end
  local text = {}
  for at, its in ipairs(starts) do text[at] = int(its.first) .. ' ' .. int(its.last) .. ' ' .. int(its.many) .. ';' end
  call('HSET', SETTINGS, 'starts', table.concat(text))
end

-- Whether a job with options may run now. If not it has been dealt with.
local function may_run(id, options, record)
  if is_cancelled(options, id) then
    forget(id)
    let_go(id, options, 'cancelled', options.l)
    count('cancelled', kind_of(record))
    return false
  end
  if options.l and options.r then
    -- One of its lane in each interval of so many ms; a lane that is only spaced moves on as soon as it starts.
    local slot = tonumber(call('ZSCORE', SEEN, 'l:' .. options.l) or 0)
    if slot > now then
      local past = load_past(id)
      past.k = 1
      save_past(id, past)
      put_off(id, slot)
      return false
    end
    call('ZADD', SEEN, int(now + options.r), 'l:' .. options.l)
    if not counts_while_active(options) then make_room(options) end
  end
  if options.us then free_unique(id, options) end
  return true
end

local function take(id)
  local record = call('HGET', JOBS, id)
  if not record then return end
  add('waiting', -1)
  local options = options_of(record)
  if not options or may_run(id, options, record) then
    ghosts = ghosts + 1
    claim_item(id, id, record, 1)
  end
end

local function look_at_lines()
  lines, has_fair = call('EXISTS', unpack(KEYS, WAIT, WAIT + 9)), call('EXISTS', FAIR) == 1
end
look_at_lines()
read_heads()
while most > 0 and ghosts > 0 do
  local line, next_at = claim_plain()
  if not line then break end
  if line >= 10 then
    local priority = line - 10
    local head = fair_head(priority)
    call('ZREM', FAIR, head[1])
    if call('EXISTS', FAIR) == 0 then
      call('DEL', TAGS)
    else
      call('HSET', TAGS, priority, int(head[2] - priority * FAIR_ROOM))
    end
    ghosts = ghosts - 1
    take(head[1])
    heads[line] = fair_head(priority)[1]
  else
    local ids, many = pop_like_head(line, next_at)
    for at = 1, many do take(ids[at]) end
    heads[line] = call('LINDEX', KEYS[WAIT + line], 0) or nil
  end
end
look_at_lines()
return answer(lines > 0 or has_fair)
