-- ARGV: shift. Gives the counts (field and value in turn), the settings (the same), how many jobs are delayed, dead,
-- held, done and kept, and when the job that has waited longest was made (ms since 1970; -1: none waits): all of one moment.
-- A script, because a Redis without memory refuses MULTI, and that is when one wants to look.
local oldest = -1
for priority = 0, 9 do
  local head = call('LINDEX', KEYS[WAIT + priority], 0)
  if head and (oldest < 0 or born(head) < oldest) then oldest = born(head) end
end
-- Of tenants' jobs the one whose turn is next: to find the oldest would take too long.
local of_tenant = call('ZRANGE', FAIR, 0, 0)[1]
if of_tenant and (oldest < 0 or born(of_tenant) < oldest) then oldest = born(of_tenant) end
return { call('HGETALL', COUNTS), call('HGETALL', SETTINGS), call('ZCARD', DELAYED), call('ZCARD', DEAD),
         call('ZCARD', LANES) , call('ZCARD', DONE), int(oldest), call('HLEN', STOPS), call('ZCARD', FAIR) }
