-- KEYS: minutes, tens, hours, last; for a queue also counts, delayed, dead, lanes, fair, wait0 … wait9.
-- ARGV: shift, writer, its call's number, for how long a queue is not looked at again whoever asks (ms), then a field and by
-- how much it grew, in turn. A call that is repeated, as its answer was lost, adds nothing the second time.
-- A bucket is `field=number` and more, parted by spaces, by its number since 1970. A queue's own counts are read here: what
-- they grew by since anybody last looked is added to the buckets of now, as well as the most that waited.
local call = redis.call
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1]
local LAST = KEYS[4]
local function int(number) return string.format('%.0f', number) end

-- ms a bucket, buckets kept.
local STEPS = { { 60000, 180 }, { 600000, 288 }, { 3600000, 768 } }

local grown, most = {}, {}
local function grow(field, by) if by > 0 then grown[field] = (grown[field] or 0) + by end end

local writer = 'w:' .. ARGV[2]
if #ARGV > 4 and string.match(call('HGET', LAST, writer) or '', '^%d+') ~= ARGV[3] then
  call('HSET', LAST, writer, ARGV[3] .. ' ' .. int(now))
  for at = 5, #ARGV, 2 do grow(ARGV[at], tonumber(ARGV[at + 1])) end
end

-- When an id was made, ms since 1970.
local function born(id) return tonumber(string.sub(id, 1, 9), 36) end
local function age_of_oldest()
  local oldest = now
  for wait = 10, 19 do
    local head = call('LINDEX', KEYS[wait], 0)
    if head then oldest = math.min(oldest, born(head)) end
  end
  local of_tenant = call('ZRANGE', KEYS[9], 0, 0)[1]
  if of_tenant then oldest = math.min(oldest, born(of_tenant)) end
  return now - oldest
end

local COUNTED = { enqueued = 1, done = 1, retried = 1, dead = 1, cancelled = 1 }
local function look()
  local looked = call('HGET', LAST, 'looked')
  -- A clock that went back must not stop it.
  if looked and math.abs(now - looked) < tonumber(ARGV[4]) then return end
  call('HSET', LAST, 'looked', int(now))
  local counts, sums = call('HGETALL', KEYS[5]), {}
  for at = 1, #counts, 2 do
    local what = string.match(counts[at], '^([a-z]+):')
    if COUNTED[what] then sums[what] = (sums[what] or 0) + counts[at + 1] end
    if counts[at] == 'waiting' or counts[at] == 'active' then most[counts[at]] = tonumber(counts[at + 1]) end
  end
  for what, sum in pairs(sums) do
    local before = tonumber(call('HGET', LAST, what) or 0)
    grow(what, sum - before)
    if sum ~= before then call('HSET', LAST, what, int(sum)) end
  end
  most.delayed, most.held = call('ZCARD', KEYS[6]), call('ZCARD', KEYS[8])
  most.unburied, most.oldest = call('ZCARD', KEYS[7]), age_of_oldest()
end
if #KEYS > 4 then look() end

-- What is too old goes when a bucket begins; writers that are gone, once an hour.
local function prune(key, oldest)
  for _, bucket in ipairs(call('HKEYS', key)) do
    if tonumber(bucket) < oldest then call('HDEL', key, bucket) end
  end
end
local function prune_writers()
  local last = call('HGETALL', LAST)
  for at = 1, #last, 2 do
    local when = string.match(last[at + 1], ' (%d+)$')
    if when and now - when > 3600000 then call('HDEL', LAST, last[at]) end
  end
end

local function merge(text)
  local values = {}
  for field, value in string.gmatch(text, '(%S+)=(%d+)') do values[field] = tonumber(value) end
  for field, by in pairs(grown) do values[field] = (values[field] or 0) + by end
  for field, value in pairs(most) do
    if value > (values[field] or 0) then values[field] = value end
  end
  local parts = {}
  for field, value in pairs(values) do parts[#parts + 1] = field .. '=' .. int(value) end
  return table.concat(parts, ' ')
end

if next(grown) == nil and next(most) == nil then return end
for at, step in ipairs(STEPS) do
  local bucket = math.floor(now / step[1])
  local before = call('HGET', KEYS[at], int(bucket))
  local after = merge(before or '')
  -- An empty bucket and none are the same.
  if after ~= '' and after ~= before then
    call('HSET', KEYS[at], int(bucket), after)
    if not before then
      prune(KEYS[at], bucket - step[2])
      call('PEXPIRE', KEYS[at], int(step[1] * step[2]))
      if at == 3 then prune_writers() end
    end
  end
end
