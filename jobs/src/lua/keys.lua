-- In front of all scripts. Keys come in one order (QUEUE_KEYS in keys.rs); docs/protocol.md says what lies under each.
local JOBS, PAST, BLOCKS, ROWS, DELAYED = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local CLAIMS, LEASES, DEAD, DONE, STOPS = KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10]
local SEEN, UNIQUE, CANCELLED, CANCELS = KEYS[11], KEYS[12], KEYS[13], KEYS[14]
local COUNTS, SETTINGS, SEQ, BEAT, WAKE = KEYS[15], KEYS[16], KEYS[17], KEYS[18], KEYS[19]
local LANES, HELD, FAIR, TAGS, INDEX = KEYS[20], KEYS[21], KEYS[22], KEYS[23], KEYS[24]
local BATCHES, SCHEDULES = KEYS[25], KEYS[26]
-- One list a priority: KEYS[27] is that of priority 0.
local WAIT = 27
local WATERMARKS = KEYS[38]
-- In FAIR each priority has this much room for tags, and all of them are whole numbers to a double.
local FAIR_ROOM = 5e14

local call = redis.call

-- Redis' own clock: those of clients differ. ARGV[1] shifts it (ms), for tests: 0 in production.
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1]
-- What of a millisecond has passed beyond it.
local beyond = time[2] % 1000 / 1000

-- Lua would write large numbers with an exponent.
local function int(number) return string.format('%.0f', number) end

-- A Redis out of memory refuses a script's first write if it may take memory. What brings jobs to their end must go
-- on, or it would never have memory again: a removal, of nothing even, is always allowed, and so is all that follows.
local function even_if_full() call('ZREM', LEASES, '') end

-- Sums up counts, to write each only once. What happened is counted by kind; how many wait or are active just so.
local counted = {}
local function add(field, by) counted[field] = (counted[field] or 0) + by end
local function count(what, kind, by) add(what .. ':' .. kind, by or 1) end
local function write_counts()
  for field, sum in pairs(counted) do
    if sum ~= 0 then call('HINCRBY', COUNTS, field, sum) end
  end
end

-- One element on this list wakes one idle worker; more would wake it for nothing.
local function wake()
  if call('EXISTS', WAKE) == 0 then call('LPUSH', WAKE, '1') end
end
