-- ARGV: shift, then ids. Gives five values a job: where it is ('' if it is gone), its token or the time (ms) that
-- goes with its state, its record, what happened to it, whether it is told to stop. Without a record it is in its block,
-- whose text is not read here: to make it a text of Lua's would cost more than all the rest.
local answer = {}
for at = 2, #ARGV do
  local id = ARGV[at]
  local record = call('HGET', JOBS, id)
  local place, token = where(id, record and options_of(record))
  local key = place == 'delayed' and DELAYED or place == 'dead' and DEAD or place == 'done' and DONE
  answer[#answer + 1] = place or ''
  answer[#answer + 1] = token or (key and call('ZSCORE', key, id)) or ''
  answer[#answer + 1] = place and record or ''
  answer[#answer + 1] = place and call('HGET', PAST, id) or ''
  answer[#answer + 1] = call('HEXISTS', STOPS, id)
end
return answer
