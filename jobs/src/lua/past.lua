-- KEYS: buckets. ARGV: shift, ms a bucket, how many. Gives now (ms since 1970), and those up to now, the newest last.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1]
local bucket, numbers = math.floor(now / ARGV[2]), {}
for back = ARGV[3] - 1, 0, -1 do numbers[#numbers + 1] = string.format('%.0f', bucket - back) end
return { string.format('%.0f', now), redis.call('HMGET', KEYS[1], unpack(numbers)) }
