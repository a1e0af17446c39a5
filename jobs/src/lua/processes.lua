-- KEYS: seen, all, orders. ARGV: shift, for how long a report counts (ms).
-- Gives three values a process: its report, when it came (ms since 1970), its order or ''.
local call = redis.call
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1]
local answer = {}
local seen = call('ZRANGEBYSCORE', KEYS[1], string.format('(%.0f', now - ARGV[2]), '+inf', 'WITHSCORES')
for at = 1, #seen, 2 do
  local report = call('HGET', KEYS[2], seen[at])
  if report then
    answer[#answer + 1] = report
    answer[#answer + 1] = seen[at + 1]
    answer[#answer + 1] = call('HGET', KEYS[3], seen[at]) or ''
  end
end
return answer
