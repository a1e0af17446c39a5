-- ARGV: lease (ms), then two values a job: id, token
-- Gives the tokens of leases that have ended.
even_if_full()
local lost = {}
for at = 2, #ARGV, 2 do
  local id, run = ARGV[at], load_run(ARGV[at])
  if run and int(run.t) == ARGV[at + 1] and redis.call('ZSCORE', ACTIVE, id) then
    redis.call('ZADD', ACTIVE, 'XX', int(now + tonumber(ARGV[1])), id)
  else
    lost[#lost + 1] = ARGV[at + 1]
  end
end
return lost
