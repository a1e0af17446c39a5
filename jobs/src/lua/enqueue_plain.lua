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
local refusal = no_room()
if refusal then return refusal end

local words = {}

local function block(kind, priority, many, text, offset)
  local id = next_id() .. priority
  call('HSET', BLOCKS, id, text)
  call('HSET', ROWS, id, '0 ' .. offset .. ' ' .. many .. ' ' .. many)
  call('RPUSH', KEYS[WAIT + priority], id .. '#')
  count('enqueued', kind, many)
  add('waiting', many)
  words[#words + 1] = id
end

local function plain(kind, priority, record)
  local id = next_id() .. priority
  call('HSET', JOBS, id, record)
  call('RPUSH', KEYS[WAIT + priority], id)
  count('enqueued', kind)
  add('waiting', 1)
  words[#words + 1] = id
end

local at = 4
-- Puts plain jobs in, up to the first group that is something else.
local function enqueue_plain()
  while at <= #ARGV do
    local kind, mode, many = ARGV[at], ARGV[at + 1], ARGV[at + 2]
    if string.find(mode, '^b%d$') then
      block(kind, tonumber(string.sub(mode, 2)), many, ARGV[at + 3], ARGV[at + 4])
      at = at + 5
    elseif string.find(mode, '^%d$') then
      for record = at + 3, at + 2 + many do plain(kind, tonumber(mode), ARGV[record]) end
      at = at + 3 + many
    elseif mode == 'mark' then
      call('HSET', WATERMARKS, kind, ARGV[at + 3])
      at = at + 4
    else
      return
    end
  end
end

local function answer()
  write_seq()
  write_counts()
  wake()
  local text = table.concat(words, ' ')
  if producer then
    call('HSET', ANSWERS, producer, number .. ' ' .. int(now + ARGV[3]) .. ' ' .. text)
    -- Producers come and go: now and then one of them is looked at, which keeps their number in bounds.
    if number % 16 == 0 then
      local other = call('HRANDFIELD', ANSWERS)
      local till = string.match(call('HGET', ANSWERS, other), '^%d+ (%d+)')
      if not till or tonumber(till) < now then call('HDEL', ANSWERS, other) end
    end
  end
  return text
end

enqueue_plain()
-- Most calls end here. What the others need takes Redis longer to set up than this took to do. They also forget what
-- was remembered for a while.
local seen_till = call('ZRANGE', SEEN, 0, 0, 'WITHSCORES')[2]
if at > #ARGV and not (seen_till and tonumber(seen_till) <= now) then return answer() end
