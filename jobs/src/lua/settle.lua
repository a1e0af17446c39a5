-- ARGV: six values a job: id, token, verdict (done retry snooze cancel dead back), delay (ms), code, message
-- Gives 1 for each that was settled, 0 for each whose lease is another's by now: such a result changes nothing.
local results = {}
local moved = false
local function later(id, run, delay)
  run.t = 0
  save_run(id, run)
  if delay > 0 then redis.call('ZADD', DELAYED, int(now + delay), id) else to_wait(id, run) end
  moved = true
end
for at = 1, #ARGV, 6 do
  local id, verdict, delay = ARGV[at], ARGV[at + 2], tonumber(ARGV[at + 3])
  local run = load_run(id)
  local ours = run and int(run.t) == ARGV[at + 1] and redis.call('ZREM', ACTIVE, id) == 1
  results[#results + 1] = ours and 1 or 0
  if ours then
    if verdict == 'done' then
      forget(id, run)
      count('done', run.k)
    elseif verdict == 'cancel' then
      forget(id, run)
      count('cancelled', run.k)
    elseif verdict == 'snooze' or verdict == 'back' then
      run.a = run.a - 1
      later(id, run, delay)
      count(verdict == 'snooze' and 'snoozed' or 'handed_back', run.k)
    else
      note_failure(run, ARGV[at + 4], ARGV[at + 5])
      if verdict == 'dead' or run.a >= run.m then
        run.t = 0
        bury(id, run)
      else
        later(id, run, delay)
        count('retried', run.k)
      end
    end
  elseif run then
    count('late', run.k)
  end
end
write_counts()
if moved then wake() end
return results
