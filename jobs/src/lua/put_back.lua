-- ARGV: shift, whether the queue's limits hold (1), then seven values a job: its state, the time that goes with it (ms
-- since 1970; '': none), an id that it is found by, a mark of this wish, for how long that is remembered (ms), its record,
-- what happened to it ('': nothing)
-- Takes jobs in that were in this queue before, or come from another, in the state that they had. Gives a word for each:
-- its new id; = if it is here already, or was put in by the same wish; ~ and the id of the job that holds its unique
-- key; ! if it was cancelled since.
if ARGV[2] == '1' then
  local refusal = no_room()
  if refusal then return refusal end
end
local words = {}
local function put_back(state, when, own, wish, kept, record, past)
  local options, kind = options_of(record) or {}, kind_of(record)
  local ended = state == 'dead' or state == 'done'
  if not ended and options.u then
    if is_cancelled(options) then return '!' end
    local holder, held = holder_of(options.u)
    if held then return '~' .. holder end
  end
  local term = 'id=' .. own .. '\0'
  local is_here = #call('ZRANGEBYLEX', INDEX, '[' .. term, '(' .. term .. '~', 'LIMIT', 0, 1) > 0
  if is_here or is_remembered('y:' .. wish, kept) then
    count('duplicate', kind)
    return '='
  end
  local priority = math.floor(math.max(0, math.min(9, options.p or 5)))
  local id
  if ended then
    -- It came to its end before, and was counted then.
    id = next_id() .. string.char(priority + BYTE_A)
    call('HSET', JOBS, id, record)
    index(id, options)
    call('ZADD', state == 'dead' and DEAD or DONE, when == '' and int(now) or when, id)
  else
    id = store(kind, options, priority, record, true)
  end
  if past ~= '' then call('HSET', PAST, id, past) end
  return id
end
for at = 3, #ARGV, 7 do
  words[#words + 1] =
    put_back(ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4], ARGV[at + 5], ARGV[at + 6])
end
write_seq()
write_counts()
wake_if_stirred()
return words
