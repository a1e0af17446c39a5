-- ARGV: shift. Looks at the whole queue at one moment: every job in exactly one state, every lease with its jobs, counts
-- equal to what is there. Gives what is wrong, one line each, at most a hundred. All that
-- time Redis does nothing else: some 30 µs a job with options, so that a few hundred thousand of them take seconds.
local wrong = {}
local function say(...) if #wrong < 100 then wrong[#wrong + 1] = table.concat({ ... }, ' ') end end
local state = {}
local function is(id, what)
  if state[id] then say('job', id, 'is', state[id], 'and', what) end
  state[id] = what
end

local jobs, has_record = call('HGETALL', JOBS), {}
for at = 1, #jobs, 2 do has_record[jobs[at]] = jobs[at + 1] end
local waiting, active = 0, 0
local in_line = {}
for priority = 0, 9 do
  for _, entry in ipairs(call('LRANGE', KEYS[WAIT + priority], 0, -1)) do
    if string.byte(entry, 13) == 35 then
      local block = string.sub(entry, 1, 12)
      if in_line[block] then say('block', block, 'is in line twice') end
      in_line[block] = true
      local row = load_row(block)
      if row then
        for place = row.next, row.many - 1 do
          if not is_hole(row, place) then
            is(id_in_block(block, place), 'waiting')
            waiting = waiting + 1
          end
        end
      end
    elseif has_record[entry] then
      if nature(entry) ~= priority then say('job', entry, 'waits in line', priority) end
      is(entry, 'waiting')
      waiting = waiting + 1
    end
  end
end
for _, id in ipairs(call('ZRANGE', FAIR, 0, -1)) do
  is(id, 'waiting')
  waiting = waiting + 1
end
for _, set in ipairs({ { DELAYED, 'delayed' }, { DEAD, 'dead' }, { DONE, 'done' } }) do
  for _, id in ipairs(call('ZRANGE', set[1], 0, -1)) do
    is(id, set[2])
    if not has_record[id] then say('job', id, 'is', set[2], 'and has no record') end
  end
end
local held = {}
for _, member in ipairs(call('ZRANGE', LANES, 0, -1)) do
  local lane, id = string.match(member, '^(.*)%z(%w+)$')
  is(id, 'held')
  held[lane] = true
  if not has_record[id] then say('job', id, 'is held and has no record') end
  if tonumber(call('HGET', HELD, 'n' .. lane) or 0) == 0 then say('lane', lane, 'is held up by nobody') end
end
local left = {}
local claims = call('HGETALL', CLAIMS)
for at = 1, #claims, 2 do
  if not call('ZSCORE', LEASES, claims[at]) then say('claim', claims[at], 'has no lease') end
  for item in each_item(claims[at + 1]) do
    local block, from, to = run_of(item)
    if block and not call('HGET', BLOCKS, block) then say('run', item, 'has no block') end
    for place = from or 0, (to or 1) - 1 do
      local id = block and id_in_block(block, place) or item
      is(id, 'active')
      active = active + 1
      if block then
        left[block] = (left[block] or 0) + 1
        if has_record[id] then say('job', id, 'is claimed in its block and has a record beside it') end
      elseif not has_record[id] then
        say('job', id, 'is claimed and has no record')
      end
    end
  end
end
for _, token in ipairs(call('ZRANGE', LEASES, 0, -1)) do
  if call('HEXISTS', CLAIMS, token) == 0 then say('lease', token, 'has no jobs') end
end

local rows = call('HKEYS', ROWS)
for _, block in ipairs(rows) do
  local row = load_row(block)
  local there = left[block] or 0
  for place = row.next, row.many - 1 do
    if not is_hole(row, place) then there = there + 1 end
  end
  if there ~= row.left then say('block', block, 'says', row.left, 'jobs are left, and has', there) end
  if row.next < row.many and not in_line[block] then say('block', block, 'is not in line') end
  if call('HEXISTS', BLOCKS, block) == 0 then say('row', block, 'has no block') end
end
if call('HLEN', BLOCKS) ~= #rows then say('there are', call('HLEN', BLOCKS), 'blocks and', #rows, 'rows') end

local under_way, terms = {}, 0
for id, record in pairs(has_record) do
  if not state[id] then say('job', id, 'is in no state') end
  local _, has_options = nature(id)
  local options = options_of(record)
  if has_options ~= (options ~= nil) then say('job', id, 'and its record differ on options') end
  local ended = state[id] == 'dead' or state[id] == 'done'
  if options then
    for _, term in ipairs(terms_of(options)) do
      terms = terms + 1
      if not call('ZSCORE', INDEX, term .. '\0' .. id) then say('job', id, 'is not indexed under', term) end
    end
    if options.l and not ended then
      local kept = state[id] == 'delayed' and load_past(id).k
      if state[id] == 'waiting' or kept or (state[id] == 'active' and (options.n or not options.r)) then
        under_way[options.l] = (under_way[options.l] or 0) + 1
      end
    end
  end
end
if call('ZCARD', INDEX) ~= terms then say('the index has', call('ZCARD', INDEX), 'entries for', terms, 'terms') end
local lanes = call('HGETALL', HELD)
for at = 1, #lanes, 2 do
  local lane = string.match(lanes[at], '^n(.*)$')
  if lane then
    if tonumber(lanes[at + 1]) ~= (under_way[lane] or 0) then
      say('lane', lane, 'counts', lanes[at + 1], 'under way, and has', under_way[lane] or 0)
    end
    under_way[lane] = nil
  end
end
for lane, many in pairs(under_way) do say('lane', lane, 'counts none under way, and has', many) end
local keys = call('HGETALL', UNIQUE)
for at = 1, #keys, 2 do
  local id, till = string.match(keys[at + 1], '^(%S+) ?(%d*)$')
  if till == '' and (not state[id] or state[id] == 'dead' or state[id] == 'done') then
    say('key', keys[at], 'is held by job', id, 'which is', state[id] or 'gone')
  end
end
for _, id in ipairs(call('HKEYS', PAST)) do
  if not state[id] then say('job', id, 'is gone and has a past') end
end
for _, id in ipairs(call('HKEYS', STOPS)) do
  if state[id] ~= 'active' then say('job', id, 'is told to stop and is', state[id] or 'gone') end
end
local marks = call('HGETALL', WATERMARKS)
for at = 1, #marks, 2 do
  if not string.match(marks[at + 1], '^%-?%d+ %-?%d+$') then say('source', marks[at], 'has for a watermark', marks[at + 1]) end
end
local counts = call('HMGET', COUNTS, 'waiting', 'active')
if tonumber(counts[1] or 0) ~= waiting then say('counts say', counts[1] or 0, 'wait, and there are', waiting) end
if tonumber(counts[2] or 0) ~= active then say('counts say', counts[2] or 0, 'are active, and there are', active) end
return wrong
