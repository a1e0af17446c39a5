-- ARGV: window (ms), then two values a cancel: unique key, time (ms)
-- Cancels what waits under the key and happened no later than the cancel, and remembers the cancel, so that
-- a job whose event is older but arrives later is cancelled as well: the two may come in either order.
-- Gives 1 for each that took a waiting job away, else 0.
local results = {}
for at = 2, #ARGV, 2 do
  local unique, cancelled_at = ARGV[at], tonumber(ARGV[at + 1])
  -- By the time it came, not the time it speaks of: events may have waited on their topic for longer than the window.
  redis.call('ZADD', CANCELS, int(now + tonumber(ARGV[1])), unique)
  redis.call('ZADD', CANCELLED, 'GT', int(cancelled_at), unique)
  local id = redis.call('HGET', UNIQUE, unique)
  local run = id and load_run(id)
  local taken = 0
  if run and run.e <= cancelled_at then
    taken = redis.call('ZREM', WAIT, id) + redis.call('ZREM', DELAYED, id)
    if taken > 0 then
      forget(id, run)
      count('cancelled', run.k)
    end
  end
  results[#results + 1] = taken
end
write_counts()
for _, unique in ipairs(redis.call('ZRANGEBYSCORE', CANCELS, '-inf', int(now), 'LIMIT', 0, 1000)) do
  redis.call('ZREM', CANCELS, unique)
  redis.call('ZREM', CANCELLED, unique)
end
return results
