-- ARGV: shift, most jobs, lease (ms)
-- Gives dead jobs to one caller at a time, so that a dead letter is written once unless that caller dies.
-- Three values a job: id, record, what happened to it
even_if_full()
local answer = {}
for _, id in ipairs(call('ZRANGEBYSCORE', DEAD, '-inf', int(now), 'LIMIT', 0, ARGV[2])) do
  call('ZADD', DEAD, int(now + ARGV[3]), id)
  answer[#answer + 1] = id
  answer[#answer + 1] = call('HGET', JOBS, id) or ''
  answer[#answer + 1] = call('HGET', PAST, id) or ''
end
return answer
