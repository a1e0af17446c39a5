-- ARGV: shift, whether to remove (1) or only to count
-- Removes dead jobs by the queue's policy: settings dead_keep (how many) and dead_keep_ms (for how long); without one
-- they stay. Gives how many were removed now, and how many will be within a tenth of the time or number allowed.
even_if_full()
local settings = call('HMGET', SETTINGS, 'dead_keep', 'dead_keep_ms')
local most, age = tonumber(settings[1]), tonumber(settings[2])
local gone, soon = {}, 0
if age then
  gone = call('ZRANGEBYSCORE', DEAD, '-inf', int(now - age), 'LIMIT', 0, 200)
  soon = call('ZCOUNT', DEAD, '(' .. int(now - age), int(now - age * 0.9))
end
if most then
  local dead = call('ZCARD', DEAD)
  if dead > most and #gone == 0 then gone = call('ZRANGE', DEAD, 0, math.min(200, dead - most) - 1) end
  if dead > most * 0.9 then soon = math.max(soon, math.min(dead, most) - math.floor(most * 0.9)) end
end
if ARGV[2] ~= '1' then return { 0, soon + #gone } end
for _, id in ipairs(gone) do
  local record = call('HGET', JOBS, id)
  local options = record and options_of(record)
  if options then unindex(id, options) end
  call('ZREM', DEAD, id)
  forget(id)
  count('pruned', record and kind_of(record) or 'unknown')
end
write_counts()
return { #gone, soon }
