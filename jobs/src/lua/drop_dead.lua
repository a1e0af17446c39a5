-- ARGV: ids of dead jobs that are safe elsewhere. Gives how many were dropped.
local dropped = 0
for _, id in ipairs(ARGV) do
  if redis.call('ZREM', DEAD, id) == 1 then
    local run = load_run(id)
    if run then forget(id, run) end
    redis.call('HDEL', JOBS, id)
    dropped = dropped + 1
  end
end
return dropped
