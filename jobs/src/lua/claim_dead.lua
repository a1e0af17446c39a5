-- ARGV: most jobs, lease (ms)
-- Gives dead jobs to one caller at a time, so that a dead letter is written once unless that caller dies.
-- Three values a job: id, body, run
even_if_full()
local answer = {}
local ids = redis.call('ZRANGEBYSCORE', DEAD, '-inf', int(now), 'LIMIT', 0, tonumber(ARGV[1]))
for _, id in ipairs(ids) do
  redis.call('ZADD', DEAD, int(now + tonumber(ARGV[2])), id)
  answer[#answer + 1] = id
  answer[#answer + 1] = redis.call('HGET', JOBS, id) or ''
  answer[#answer + 1] = redis.call('HGET', RUN, id) or ''
end
return answer
