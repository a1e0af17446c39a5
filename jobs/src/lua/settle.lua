-- ARGV: six values a job: id, token, verdict (done retry snooze cancel dead back), delay (ms), code, message
-- Gives 1 for each that was settled, 0 for each whose lease is another's by now: such a result changes nothing.
even_if_full()
local results = {}
local moved = false
local function later(id, run, delay)
  if is_cancelled(run) then
    forget(id, run)
    return count('cancelled', run.k)
  end
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
      if delay > 0 then
        -- To the end of the line: a crowd of jobs that nobody can run now would keep all others from running.
        run.s = redis.call('INCR', SEQ)
      end
      if verdict == 'back' and delay > 0 then
        -- Longer each time, up to a minute: no worker here may know such jobs for a long while.
        run.h = (run.h or 0) + 1
        delay = math.min(delay * 2 ^ math.min(run.h - 1, 10), math.max(delay, 60000))
      end
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
