-- ARGV: shift, window (ms), then two values a cancel: unique key, time (ms)
-- Cancels what waits under the key and happened no later than the cancel, and remembers the cancel, so that
-- a job whose event is older but arrives later is cancelled as well: the two may come in either order.
-- Gives 1 for each that took a waiting job away, else 0. A running one may finish, and will not run again.
local results = {}
for at = 3, #ARGV, 2 do
  local unique, cancelled_at = ARGV[at], tonumber(ARGV[at + 1])
  -- By the time it came, not the time it speaks of: events may have waited on their topic for longer than the window.
  call('ZADD', CANCELS, int(now + ARGV[2]), unique)
  call('ZADD', CANCELLED, 'GT', int(cancelled_at), unique)
  local id = holder_of(unique)
  local record = id and call('HGET', JOBS, id)
  local options = record and options_of(record)
  local taken = 0
  if options and (options.e or 0) <= cancelled_at and cancel(id, options, kind_of(record)) then taken = 1 end
  results[#results + 1] = taken
end
write_seq()
write_counts()
wake_if_stirred()
for _, unique in ipairs(call('ZRANGEBYSCORE', CANCELS, '-inf', int(now), 'LIMIT', 0, 500)) do
  call('ZREM', CANCELS, unique)
  call('ZREM', CANCELLED, unique)
end
return results
