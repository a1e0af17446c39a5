-- KEYS: seen, all, orders. ARGV: shift, id, what the process says of itself (JSON), for how long that counts (ms).
-- Gives the order that it has, or nil. An order stays: an answer that was lost is given again with the next report.
local call = redis.call
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1]
local function int(number) return string.format('%.0f', number) end

call('ZADD', KEYS[1], int(now), ARGV[2])
call('HSET', KEYS[2], ARGV[2], ARGV[3])
for _, id in ipairs(call('ZRANGEBYSCORE', KEYS[1], '-inf', int(now - ARGV[4]), 'LIMIT', 0, 100)) do
  call('ZREM', KEYS[1], id)
  call('HDEL', KEYS[2], id)
  call('HDEL', KEYS[3], id)
end
return call('HGET', KEYS[3], ARGV[2])
