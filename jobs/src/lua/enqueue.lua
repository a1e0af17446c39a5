-- KEYS[37]: the last answer to each producer. A call whose answer was lost comes again with the same number, and gets
-- that answer instead of a second helping.
-- ARGV: shift, producer and number of the call, parted by a space ('': none), how long the answer is kept (ms), then groups: kind, mode, how many jobs, and
--   mode b0 to b9: a block of plain jobs of that priority that may run at once: block, where its first line begins
--   mode 0 to 9: such jobs, one by one: records
--   mode +: jobs with options: records
--   mode mark: one value: the watermark of the source that stands for the kind; only first, see watermark.lua
--   mode batch: one value: a batch, with kind for its name, that jobs after it are of; mode close: all of them are in
-- Gives one word a job, parted by spaces: its id; = of a duplicate; ~id of the job that holds its unique key; ! where
-- it was cancelled before it came. For a block one word: its id and priority.
local ANSWERS = KEYS[37]
local producer, number = string.match(ARGV[2], '^(%S+) (%d+)$')
if producer then
  local last, answer = string.match(call('HGET', ANSWERS, producer) or '', '^(%d+) %d+ (.*)$')
  if last == number then return answer end
end
local settings = call('HMGET', SETTINGS, 'max_jobs', 'draining')
if settings[2] then return redis.error_reply('DRAINING the queue takes no more jobs') end
if settings[1] then
  local here = call('HMGET', COUNTS, 'waiting', 'active')
  local held = call('ZCARD', DELAYED) + call('ZCARD', LANES) + (here[1] or 0) + (here[2] or 0)
  if held >= tonumber(settings[1]) then
    return redis.error_reply('QUEUEFULL the queue holds ' .. held .. ' jobs, and ' .. settings[1] .. ' are its limit')
  end
end

local words = {}

local function block(priority, many, text, offset)
  local id = next_id() .. priority
  call('HSET', BLOCKS, id, text)
  call('HSET', ROWS, id, '0 ' .. offset .. ' ' .. many .. ' ' .. many)
  call('RPUSH', KEYS[WAIT + priority], id .. '#')
  words[#words + 1] = id
end

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

local at = 4
while at <= #ARGV do
  local kind, mode, many = ARGV[at], ARGV[at + 1], tonumber(ARGV[at + 2])
  at = at + 3
  if mode == 'mark' then
    call('HSET', WATERMARKS, kind, ARGV[at])
    at = at + 1
  elseif mode == 'batch' then
    call('HSET', BATCHES, kind, ARGV[at])
    at = at + 1
  elseif mode == 'close' then
    close_in_batch(kind, 'done')
  elseif string.byte(mode) == 98 then
    block(tonumber(string.sub(mode, 2)), many, ARGV[at], ARGV[at + 1])
    count('enqueued', kind, many)
    add('waiting', many)
    at = at + 2
  else
    for _ = 1, many do
      local record = ARGV[at]
      words[#words + 1] = mode == '+' and enqueue(kind, record) or store(kind, {}, tonumber(mode), record)
      at = at + 1
    end
  end
end
write_seq()
write_counts()
wake()
local answer = table.concat(words, ' ')
if producer then
  call('HSET', ANSWERS, producer, number .. ' ' .. int(now + ARGV[3]) .. ' ' .. answer)
  -- Producers come and go: each call looks at one of them, and so keeps their number in bounds.
  local other = call('HRANDFIELD', ANSWERS)
  local till = string.match(call('HGET', ANSWERS, other), '^%d+ (%d+)')
  if not till or tonumber(till) < now then call('HDEL', ANSWERS, other) end
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
return answer
