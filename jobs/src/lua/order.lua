-- KEYS: seen, all, orders. ARGV: shift, id, order, for how long a report counts (ms).
-- Gives whether there is such a process; if there is none nothing is done.
local call = redis.call
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1]
local seen = call('ZSCORE', KEYS[1], ARGV[2])
if not seen or tonumber(seen) <= now - ARGV[4] then return 0 end
call('HSET', KEYS[3], ARGV[2], ARGV[3])
return 1
