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
local lines, has_fair = call('EXISTS', unpack(KEYS, WAIT, WAIT + 9)), call('EXISTS', FAIR) == 1
if lines == 0 and not has_fair then
  local ahead_ms, leased = look_ahead(0)
  if ahead_ms ~= 0 then
    if leased then
      even_if_full()
      hear(lease)
    end
    return { string.format('%.3f', ahead_ms) }
  end
end
-- Bounds the time that a call takes; what is left is done by the next one.
local STEP = 500

even_if_full()
local due = call('ZRANGEBYSCORE', DELAYED, '-inf', int(now), 'LIMIT', 0, 200)
local grace = hear(lease)
-- One lease a call: it may be of many jobs.
local over = grace <= now and call('ZRANGEBYSCORE', LEASES, '-inf', int(now), 'LIMIT', 0, 1)[1]

local settings = call('HMGET', SETTINGS, 'paused', 'concurrency', 'rate', 'rate_ms', 'starts', 'ageing_ms')
local paused, limit, rate = settings[1], tonumber(settings[2]), tonumber(settings[3])
if paused then most = 0 end
local claimed, wait_ms = 0, -1
local function look_again_in(ms) if wait_ms < 0 or ms < wait_ms then wait_ms = ms end end

-- Which line is next: that whose head was made first, each step of priority counting as some time. So high priorities
-- go first, and low ones are not kept for ever.
local ageing = tonumber(settings[6] or 60000)
local heads = {}
local function fair_head(priority)
  local from, till = int(priority * FAIR_ROOM), '(' .. int((priority + 1) * FAIR_ROOM)
  return call('ZRANGEBYSCORE', FAIR, from, till, 'WITHSCORES', 'LIMIT', 0, 1)
end
local function read_heads()
  heads = { [5] = call('LINDEX', KEYS[WAIT + 5], 0) or nil }
  -- Mostly all have the default priority.
  local others = lines > (heads[5] and 1 or 0)
  for priority = 0, 9 do
    if others and priority ~= 5 then heads[priority] = call('LINDEX', KEYS[WAIT + priority], 0) or nil end
    if has_fair then heads[priority + 10] = fair_head(priority)[1] end
  end
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

-- Takes single jobs from the head of a line: as many as come before another line's turn, and are of the head's nature.
local function pop_like_head(line, next_at)
  local key = KEYS[WAIT + line]
  local ids, many = call('LRANGE', key, 0, math.min(most, STEP) - 1), 1
  local _, with_options = nature(ids[1])
  local function is_next(id)
    if not id or is_block(id) or (next_at and born(id) + line * ageing > next_at) then return false end
    local _, its = nature(id)
    return its == with_options
  end
  while is_next(ids[many + 1]) do many = many + 1 end
  call('LPOP', key, many)
  ghosts = ghosts - many
  return ids, many
end

-- Claims plain jobs until there is no place, or no job, or one with options is next. Gives that one's line then.
local function claim_plain()
  while most > 0 and ghosts > 0 do
    local line, next_at = next_line()
    if not line or line >= 10 then return line end
    local head = heads[line]
    if is_block(head) then
      take_run(KEYS[WAIT + line], string.sub(head, 1, 12))
    else
      local _, has_options = nature(head)
      if has_options then return line, next_at end
      local ids, many = pop_like_head(line, next_at)
      for at = 1, many do
        local record = call('HGET', JOBS, ids[at])
        -- Without a record it is what a job left behind that was taken out of the line.
        if record then
          add('waiting', -1)
          ghosts = ghosts + 1
          claim_item(ids[at], ids[at], record, 1)
        end
      end
    end
    heads[line] = call('LINDEX', KEYS[WAIT + line], 0) or nil
  end
end

local too_fast, write_starts
-- `more`: there is work that was not claimed.
local function answer(more)
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
end

-- Most calls end here. What the others need takes Redis longer to set up than this takes to do.
if #due == 0 and not over and not limit and not rate then
  read_heads()
  if not claim_plain() then return answer(next(heads) ~= nil) end
end
