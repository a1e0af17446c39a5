-- ARGV: shift, whether to remove (1) or only to count
-- Removes dead jobs by the queue's policy: settings dead_keep (how many) and dead_keep_ms (for how long); without one
-- they stay. Gives how many were removed now, and how many are over what is allowed, or will be soon: they have nine
-- tenths of the time, or are beyond nine tenths of the number.
even_if_full()
local STEP = 200
local settings = call('HMGET', SETTINGS, 'dead_keep', 'dead_keep_ms')
local most, age = tonumber(settings[1]), tonumber(settings[2])
local dead, soon = call('ZCARD', DEAD), 0
if age then soon = call('ZCOUNT', DEAD, '-inf', int(now - age * 0.9)) end
if most then soon = math.max(soon, dead - math.floor(most * 0.9)) end
if ARGV[2] ~= '1' then return { 0, soon } end

local gone = age and call('ZRANGEBYSCORE', DEAD, '-inf', int(now - age), 'LIMIT', 0, STEP) or {}
if #gone == 0 and most and dead > most then gone = call('ZRANGE', DEAD, 0, math.min(STEP, dead - most) - 1) end
for _, id in ipairs(gone) do
  local record = call('HGET', JOBS, id)
  local options = record and options_of(record)
  if options then unindex(id, options) end
  call('ZREM', DEAD, id)
  forget(id)
  count('pruned', record and kind_of(record) or 'unknown')
end
write_counts()
return { #gone, math.max(0, soon - #gone) }
