-- Shared by all scripts. Keys come in one order: see QUEUE_KEYS in queue.rs.
local JOBS, RUN, WAIT, DELAYED, ACTIVE, DEAD = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local SEEN, UNIQUE, CANCELLED, CANCELS = KEYS[7], KEYS[8], KEYS[9], KEYS[10]
local COUNTS, SEQ, WAKE = KEYS[11], KEYS[12], KEYS[13]

-- Redis' own clock: those of clients differ.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

-- Lua would write large numbers with an exponent.
local function int(number) return string.format('%.0f', number) end

-- A Redis out of memory refuses a script's first write if it may take memory. What brings jobs to their end must go
-- on, or it would never have memory again: a removal, of nothing even, is always allowed, and so is all that follows.
local function even_if_full() redis.call('ZREM', ACTIVE, '') end

-- Sums up counts, to write each only once.
local counted = {}
local function count(what, kind)
  local field = what .. ':' .. kind
  counted[field] = (counted[field] or 0) + 1
end
local function write_counts()
  for field, sum in pairs(counted) do redis.call('HINCRBY', COUNTS, field, sum) end
end

-- One element on this list wakes one idle worker; more would wake it for nothing.
local function wake()
  redis.call('LPUSH', WAKE, '1')
  redis.call('LTRIM', WAKE, 0, 0)
end

-- A job's changing state: k kind, p priority, s sequence, a attempts, m most attempts, t token of the
-- current lease, u unique key, e time of its event, f failures (oldest first), h times handed back unknown.
local function load_run(id)
  local text = redis.call('HGET', RUN, id)
  return text and cjson.decode(text)
end
local function save_run(id, run) redis.call('HSET', RUN, id, cjson.encode(run)) end

-- Priority first, then age; exact as a double for 2^49 jobs.
local function to_wait(id, run)
  redis.call('ZADD', WAIT, int(run.p * 562949953421312 + run.s), id)
end

local function forget(id, run)
  redis.call('HDEL', JOBS, id)
  redis.call('HDEL', RUN, id)
  if run.u and redis.call('HGET', UNIQUE, run.u) == id then redis.call('HDEL', UNIQUE, run.u) end
end

-- Whether what the job is about was cancelled since.
local function is_cancelled(run)
  local cancelled = run.u and redis.call('ZSCORE', CANCELLED, run.u)
  return cancelled and run.e <= tonumber(cancelled)
end

local function note_failure(run, code, message)
  run.f = run.f or {}
  if #run.f >= 20 then table.remove(run.f, 1) end
  table.insert(run.f, { at = now, attempt = run.a, code = code, message = message })
end

local function bury(id, run)
  save_run(id, run)
  redis.call('ZADD', DEAD, int(now), id)
  if run.u and redis.call('HGET', UNIQUE, run.u) == id then redis.call('HDEL', UNIQUE, run.u) end
  count('dead', run.k)
end
