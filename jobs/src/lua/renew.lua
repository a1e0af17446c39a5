-- ARGV: lease (ms), then two values a job: id, token
-- Gives the ids whose lease is not theirs any more.
local lost = {}
for at = 2, #ARGV, 2 do
  local id, run = ARGV[at], load_run(ARGV[at])
  if run and int(run.t) == ARGV[at + 1] and redis.call('ZSCORE', ACTIVE, id) then
    redis.call('ZADD', ACTIVE, 'XX', int(now + tonumber(ARGV[1])), id)
  else
    lost[#lost + 1] = id
  end
end
return lost
