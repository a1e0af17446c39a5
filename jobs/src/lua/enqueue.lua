-- After enqueue_plain.lua: the groups from the first on that is not of plain jobs.
local function enqueue(kind, record)
  local options = options_of(record)
  -- Other programs enqueue, too. A priority without a line would end the script halfway, jobs in and not counted.
  if options and next(options) == nil then options, record = nil, string.sub(record, after_options(record)) end
  options = options or {}
  local priority = math.floor(math.max(0, math.min(9, options.p or 5)))
  local word = enter(kind, options, priority, record, true)
  -- A job of a batch that is not taken in has come to its end.
  if options.b and string.find(word, '^[=~!]') then close_in_batch(options.b, word == '!' and 'cancelled' or 'done') end
  return word
end

while at <= #ARGV do
  local kind, mode, many = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2])
  at = at + 3
  if mode == 'batch' then
    call('HSET', BATCHES, kind, ARGV[at])
    at = at + 1
  elseif mode == 'close' then
    close_in_batch(kind, 'done')
  else
    for _ = 1, many do
      words[#words + 1] = enqueue(kind, ARGV[at])
      at = at + 1
    end
  end
  enqueue_plain()
end
-- In bounded steps: after a rush, millions may be forgotten at once.
for _, key in ipairs(call('ZRANGEBYSCORE', SEEN, '-inf', int(now), 'LIMIT', 0, 500)) do
  call('ZREM', SEEN, key)
  if string.sub(key, 1, 2) == 'u:' then
    local unique = string.sub(key, 3)
    local id, held = holder_of(unique)
    -- One that still waits can be cancelled by its key; its end frees that.
    local waits = id and call('HEXISTS', JOBS, id) == 1 and not (call('ZSCORE', DEAD, id) or call('ZSCORE', DONE, id))
    if id and not held and not waits then call('HDEL', UNIQUE, unique) end
  end
end
return answer()
