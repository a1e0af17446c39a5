-- ARGV: shift, most jobs, lease (ms)
-- Moves what is due into line, gives jobs of dead workers back, then leases out up to that many jobs under one token.
-- Gives: ms until there may be work without a new job (a decimal; -1: none in sight); and if there are jobs: the token, the
-- items (claimed.lua), and for each item two values: what happened to it so far ('' for nothing), and its record, or ''
-- for a run: that is read from its block.
local most, lease = tonumber(ARGV[2]), tonumber(ARGV[3])
-- When the next delayed job is due, or the next lease ends (ms from now); -1 if there is none.
local function look_ahead(grace)
  local wait_ms = -1
  local due_at = call('ZRANGE', DELAYED, 0, 0, 'WITHSCORES')[2]
  if due_at then wait_ms = math.max(0, due_at - now - beyond) end
  local over_at = call('ZRANGE', LEASES, 0, 0, 'WITHSCORES')[2]
  if over_at then
    -- And before it would seem that nobody speaks any more.
    local over_ms = math.min(math.max(0, math.max(over_at, grace) - now - beyond), lease / 4)
    if wait_ms < 0 or over_ms < wait_ms then wait_ms = over_ms end
  end
  return wait_ms, over_at
end

-- An idle worker asks often; that is all it takes to tell it that there is nothing yet.
local present = call('EXISTS', DELAYED, LEASES, FAIR, unpack(KEYS, WAIT, WAIT + 9))
if present == 0 then return { '-1' } end
if present <= 2 and call('EXISTS', FAIR, unpack(KEYS, WAIT, WAIT + 9)) == 0 then
  local ahead_ms, leased = look_ahead(0)
  if ahead_ms > 0 then
    if leased then
      even_if_full()
      hear(lease)
    end
    return { string.format('%.3f', ahead_ms) }
  end
end
-- Bounds the time that a call takes; what is left is done by the next one.
local STEP = 500

local due = call('ZRANGEBYSCORE', DELAYED, '-inf', int(now), 'LIMIT', 0, 200)
if #due > 0 then
  call('ZREM', DELAYED, unpack(due))
  local lines = {}
  for _, id in ipairs(due) do
    local priority, has_options = nature(id)
    if has_options then
      local options = options_of(call('HGET', JOBS, id))
      if options and options.l and not load_past(id).k then admit(id, options) else put_in_line(id, options) end
    else
      local line = lines[priority] or {}
      line[#line + 1] = id
      lines[priority] = line
    end
  end
  for priority, line in pairs(lines) do
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
  if options and options.r then admit(id, options) else put_in_front(id, options) end
  count('rescued', kind_of(record))
end

if #due == 0 then even_if_full() end
local grace = hear(lease)
-- One lease a call: it may be of many jobs.
local over = grace <= now and call('ZRANGEBYSCORE', LEASES, '-inf', int(now), 'LIMIT', 0, 1)[1]
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

local settings = call('HMGET', SETTINGS, 'paused', 'concurrency', 'rate', 'rate_ms', 'starts', 'ageing_ms')
local paused, limit = settings[1], tonumber(settings[2])
local claimed, wait_ms = 0, -1
local function look_again_in(ms) if wait_ms < 0 or ms < wait_ms then wait_ms = ms end end

if paused then most = 0 end
if limit and most > 0 then
  limit = limit - (call('HGET', COUNTS, 'active') or 0) - (counted.active or 0)
  most = math.max(0, math.min(most, limit))
end
-- No stretch of `rate_ms`, wherever it begins, has more than `rate` starts. Starts are remembered in at most some
-- seventeen groups, each of a sixteenth of that time and forgotten with its last one: `first last many;…`.
local rate, rate_ms = tonumber(settings[3]), tonumber(settings[4])
local starts, too_fast = {}, false
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
local function write_starts()
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

-- Which line is next: that whose head was made first, each step of priority counting as some time. So high priorities
-- go first, and low ones are not kept for ever.
local ageing = tonumber(settings[6] or 60000)
local heads, has_fair = {}, call('EXISTS', FAIR) == 1
local function fair_head(priority)
  local from, till = int(priority * FAIR_ROOM), '(' .. int((priority + 1) * FAIR_ROOM)
  return call('ZRANGEBYSCORE', FAIR, from, till, 'WITHSCORES', 'LIMIT', 0, 1)
end
for priority = 0, 9 do
  heads[priority] = call('LINDEX', KEYS[WAIT + priority], 0) or nil
  if has_fair then heads[priority + 10] = fair_head(priority)[1] end
end
-- The best line, and how long its turn lasts.
local function next_line()
  local best, best_at, next_at
  for line, head in pairs(heads) do
    if head then
      local at = born(head) + line % 10 * ageing
      if not best or at < best_at or (at == best_at and line < best) then
        best, best_at, next_at = line, at, best_at
      elseif not next_at or at < next_at then
        next_at = at
      end
    end
  end
  return best, next_at
end

-- The answer begins with the time to wait, the token and the items.
local items, values = {}, { '', '', '' }
-- What was taken out of line leaves its id there: of those a call passes no more than so many.
local ghosts = 2 * STEP

local function claim_item(item, id, record, many)
  items[#items + 1] = item
  values[#values + 1] = id and call('HGET', PAST, id) or ''
  values[#values + 1] = record
  claimed, most = claimed + many, most - many
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
    -- One of its lane in each interval of so many ms; its lane moves on as soon as it starts.
    local slot = tonumber(call('ZSCORE', SEEN, 'l:' .. options.l) or 0)
    if slot > now then
      local past = load_past(id)
      past.k = 1
      save_past(id, past)
      put_off(id, slot)
      return false
    end
    call('ZADD', SEEN, int(now + options.r), 'l:' .. options.l)
    make_room(options)
  end
  if options.us then free_unique(id, options) end
  return true
end

local function take(id)
  local record = call('HGET', JOBS, id)
  -- Without a record it is what a job left behind that was taken out of the line.
  ghosts = ghosts - 1
  if not record then return end
  add('waiting', -1)
  local options = options_of(record)
  if not options or may_run(id, options, record) then
    ghosts = ghosts + 1
    claim_item(id, id, record, 1)
  end
end

-- Its text stays where it is: to make it a text of Lua's would cost more than all the rest. Who claims it reads it.
local function take_run(line, block)
  local row = call('HEXISTS', BLOCKS, block) == 1 and load_row(block) or nil
  ghosts = ghosts - 1
  while row and most > 0 and row.next < row.many do
    while is_hole(row, row.next) do row.next = row.next + 1 end
    local to = row.next
    if row.holes == '' then
      to = math.min(row.many, row.next + most)
    else
      while to < row.many and to - row.next < most and not is_hole(row, to) do to = to + 1 end
    end
    if to > row.next then
      add('waiting', row.next - to)
      claim_item(item_of_run(block, row.next, to), nil, '', to - row.next)
    end
    row.next = to
  end
  if row then save_row(block, row) end
  if not row or row.next >= row.many then call('LPOP', line) end
end

while most > 0 and ghosts > 0 do
  local line, next_at = next_line()
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
    take(head[1])
    heads[line] = fair_head(priority)[1]
  else
    local key, head = KEYS[WAIT + line], heads[line]
    if string.byte(head, 13) == 35 then
      take_run(key, string.sub(head, 1, 12))
    else
      -- As many as come before another line's turn, or the next block.
      local ids, many = call('LRANGE', key, 0, math.min(most, STEP) - 1), 1
      while many < #ids and string.byte(ids[many + 1], 13) ~= 35
        and (not next_at or born(ids[many + 1]) + line * ageing <= next_at) do
        many = many + 1
      end
      call('LPOP', key, many)
      for at = 1, many do take(ids[at]) end
    end
    heads[line] = call('LINDEX', key, 0) or nil
  end
end

local token
if claimed > 0 then
  token = next_id()
  call('HSET', CLAIMS, token, table.concat(items, ' '))
  call('ZADD', LEASES, int(now + lease), token)
  add('active', claimed)
  if rate then write_starts() end
end
write_seq()
write_counts()

local more = call('EXISTS', FAIR, unpack(KEYS, WAIT, WAIT + 9)) > 0
if more and not paused and not too_fast and not (limit and limit <= claimed) then
  -- Others may be idle.
  wake()
  wait_ms = 0
else
  local ahead_ms = look_ahead(grace)
  if ahead_ms >= 0 then look_again_in(ahead_ms) end
end
values[1] = string.format('%.3f', wait_ms)
if not token then return { values[1] } end
values[2], values[3] = token, table.concat(items, ' ')
return values
