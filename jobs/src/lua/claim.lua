-- ARGV: most jobs, lease (ms)
-- Moves what is due from delayed to wait, gives jobs of dead workers back, then leases out up to that many.
-- An attempt is counted here, so that a job that kills its worker comes to its end.
-- Gives: ms until there may be work without a new job (-1: none in sight), then five values a job:
--   id, body, attempt, most attempts, token
local most, lease = tonumber(ARGV[1]), tonumber(ARGV[2])
-- Bounds the time a call takes; what is left is done by the next one.
local STEP = 1000
local due = redis.call('ZRANGEBYSCORE', DELAYED, '-inf', int(now), 'LIMIT', 0, STEP)
for _, id in ipairs(due) do
  redis.call('ZREM', DELAYED, id)
  local run = load_run(id)
  if run then to_wait(id, run) end
end
local lost = redis.call('ZRANGEBYSCORE', ACTIVE, '-inf', int(now), 'LIMIT', 0, STEP)
for _, id in ipairs(lost) do
  redis.call('ZREM', ACTIVE, id)
  local run = load_run(id)
  if run then
    note_failure(run, 'lease_lost', 'its worker died, or was silent for longer than the lease')
    run.t = 0
    if run.a >= run.m then
      bury(id, run)
    elseif is_cancelled(run) then
      forget(id, run)
      count('cancelled', run.k)
    else
      save_run(id, run)
      to_wait(id, run)
      count('rescued', run.k)
    end
  end
end
local answer = { -1 }
local popped = redis.call('ZPOPMIN', WAIT, most)
for at = 1, #popped, 2 do
  local id = popped[at]
  local run, body = load_run(id), redis.call('HGET', JOBS, id)
  if run and body then
    run.a = run.a + 1
    run.t = redis.call('INCR', SEQ)
    save_run(id, run)
    redis.call('ZADD', ACTIVE, int(now + lease), id)
    for _, value in ipairs({ id, body, run.a, run.m, run.t }) do answer[#answer + 1] = value end
  end
end
write_counts()
if redis.call('ZCARD', WAIT) > 0 then
  -- Others may be idle.
  wake()
  answer[1] = 0
else
  for _, key in ipairs({ DELAYED, ACTIVE }) do
    local head = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
    if head[2] then
      local left = math.max(0, tonumber(head[2]) - now)
      if answer[1] < 0 or left < answer[1] then answer[1] = left end
    end
  end
end
return answer
