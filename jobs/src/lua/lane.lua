-- ARGV: shift, lane, id of a job that waits for others of it
-- Gives how many of the lane are under way, how many wait in front of it, and the last of those ('': none).
local lane = ARGV[2] .. '\0'
local ahead = '(' .. lane .. ARGV[3]
local last = call('ZREVRANGEBYLEX', LANES, ahead, '[' .. lane, 'LIMIT', 0, 1)[1]
return { call('HGET', HELD, 'n' .. ARGV[2]) or '0', tostring(call('ZLEXCOUNT', LANES, '[' .. lane, ahead)),
         last and string.sub(last, #lane + 1) or '' }
