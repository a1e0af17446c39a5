-- ARGV from 2: schedule, version of its definition, kind, priority; then three values a tick, the oldest first:
--   tick (ms), when it is due (ms: the tick, or later), record
-- Gives how many it has fired. A tick that somebody else has fired is not fired again, and none is fired early; a
-- schedule that was changed, paused or removed since the caller read it fires nothing.
local name, version, kind, priority = ARGV[2], tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])
local text = call('HGET', SCHEDULES, name)
local entry = text and cjson.decode(text)
if not entry or entry.changed ~= version or entry.paused or entry.left then return 0 end

local records, ticks = {}, {}
for at = 6, #ARGV, 3 do
  local tick, due = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
  if tick > math.max(entry.last, entry.since) and due <= now then
    entry.last = tick
    records[#records + 1], ticks[#ticks + 1] = ARGV[at + 2], tick
  end
end
if #records == 0 then return 0 end
-- First, since a Redis out of memory refuses the first write, and with it all.
call('HSET', SCHEDULES, name, cjson.encode(entry))
for at, record in ipairs(records) do note_job(entry, store(kind, {}, priority, record), ticks[at]) end
call('HSET', SCHEDULES, name, cjson.encode(entry))
write_seq()
write_counts()
wake()
return #records
