-- ARGV: dedupe window (ms), then eight values a job:
--   id, body, kind, priority, most attempts, run at (ms, 0: at once), unique key ('': none), event time (ms)
-- Gives one word a job: enqueued, duplicate, held (its unique key waits already), cancelled.
-- The first write is a ZADD or HINCRBY: a Redis out of memory refuses those before anything has changed.
local window = tonumber(ARGV[1])
local results = {}
local added = false
for at = 2, #ARGV, 8 do
  local id, body, kind, unique = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 6]
  local run_at, event_time = tonumber(ARGV[at + 5]), tonumber(ARGV[at + 7])
  local result = 'enqueued'
  if redis.call('ZSCORE', SEEN, id) or redis.call('HEXISTS', JOBS, id) == 1 then
    result = 'duplicate'
  else
    redis.call('ZADD', SEEN, int(now + window), id)
    if unique ~= '' then
      local cancelled = redis.call('ZSCORE', CANCELLED, unique)
      if cancelled and event_time <= tonumber(cancelled) then
        result = 'cancelled'
        count('enqueued', kind)
      elseif redis.call('HEXISTS', UNIQUE, unique) == 1 then
        result = 'held'
      end
    end
  end
  if result == 'enqueued' then
    local run = { k = kind, p = tonumber(ARGV[at + 3]), s = redis.call('INCR', SEQ), a = 0,
                  m = tonumber(ARGV[at + 4]), t = 0, e = event_time }
    if unique ~= '' then
      run.u = unique
      redis.call('HSET', UNIQUE, unique, id)
    end
    redis.call('HSET', JOBS, id, body)
    save_run(id, run)
    if run_at > now then redis.call('ZADD', DELAYED, int(run_at), id) else to_wait(id, run) end
    added = true
  end
  count(result, kind)
  results[#results + 1] = result
end
write_counts()
if added then wake() end
-- In bounded steps: after a rush, millions may be forgotten at once.
local forgotten = redis.call('ZRANGEBYSCORE', SEEN, '-inf', int(now), 'LIMIT', 0, 1000)
if #forgotten > 0 then redis.call('ZREM', SEEN, unpack(forgotten)) end
return results
