-- ARGV: shift, state (waiting delayed active dead done held), cursor ('' at first), most ids, kind ('': any), and for what
-- is delayed or done from and until when (ms since 1970; '': no matter): that it runs, or was done
-- Gives the next cursor ('' at the end), and ids. Looks at no more than so many entries a call: there may be fewer ids
-- than asked for, or none, and still more to come. What moves from state to state meanwhile may be missed or come twice; what
-- stays is not missed, but where it runs.
local state, cursor, most, kind = ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5]
local STEP = 500
local ids = {}
local function fits(record) return kind == '' or (record and kind_of(record) == kind) end
local function offer(id)
  local record = call('HGET', JOBS, id)
  if record and fits(record) then ids[#ids + 1] = id end
end
-- The places in a block from the first on; gives where it stopped, nil at the end.
local function offer_block(block, row, first, last)
  if kind ~= '' and not fits(call('HGET', BLOCKS, block)) then return nil end
  for place = first, last - 1 do
    if #ids >= most then return place end
    local id = id_in_block(block, place)
    if not is_hole(row, place) and call('HEXISTS', JOBS, id) == 0 then ids[#ids + 1] = id end
  end
end

-- A cursor tells how many entries are before it, and ends with the last of them: those ahead may be taken meanwhile.
local function to_hex(entry) return (string.gsub(entry, '.', function(c) return string.format('%02x', string.byte(c)) end)) end
local function of_hex(text) return (string.gsub(text, '%x%x', function(c) return string.char(tonumber(c, 16)) end)) end

-- How many are before what follows an entry of a sorted set.
local function up_to(key, member, score)
  if key == LANES then return call('ZLEXCOUNT', key, '-', '[' .. member) end
  if call('ZSCORE', key, member) == score then return call('ZRANK', key, member) + 1 end
  -- It is elsewhere, or gone. What has the same score may come twice.
  return call('ZCOUNT', key, '-inf', '(' .. score)
end

-- Reads on in a sorted set; gives the cursor behind that, or nil at the end.
local function read_on(key, cursor, many, last)
  local member, score = string.match(cursor, '^(%x+) (%x+)$')
  local from = member and up_to(key, of_hex(member), of_hex(score)) or 0
  if key == DELAYED or key == DONE then
    if ARGV[6] ~= '' then from = math.max(from, call('ZCOUNT', key, '-inf', '(' .. ARGV[6])) end
    if ARGV[7] ~= '' then last = call('ZCOUNT', key, '-inf', ARGV[7]) - 1 end
  end
  last = math.min(from + many - 1, last or math.huge)
  local found = from > last and {} or call('ZRANGE', key, int(from), int(last))
  for _, entry in ipairs(found) do offer(key == LANES and string.match(entry, '%z(%w+)$') or entry) end
  local entry = found[#found]
  return entry and to_hex(entry) .. ' ' .. to_hex(call('ZSCORE', key, entry))
end

local function sorted_set(key) return read_on(key, cursor, math.min(most, STEP)) or '' end

-- Of blocks of another kind it reads no more than so many.
local BLOCKS_A_CALL = 50

-- Where in a list an entry is, which was there; nil: it was taken, and all ahead of it.
local function place_of(key, index, entry)
  if call('LINDEX', key, index) == entry then return index end
  return call('LPOS', key, entry) or nil
end

local function lines()
  local line, index, place, before = string.match(cursor, '^(%d+) (%d+) (%d+) (%x*)$')
  line, index, place, before = tonumber(line or 0), tonumber(index or 0), tonumber(place or 0), of_hex(before or '')
  if string.sub(cursor, 1, 3) == '10 ' then
    line = 10
  elseif before ~= '' then
    -- In the midst of a block that is the entry itself.
    local ahead = place > 0 and 0 or 1
    local now = place_of(KEYS[WAIT + line], index - ahead, before)
    index, place = now and now + ahead or 0, now and place or 0
  end
  local entries, blocks = 0, 0
  while line < 10 do
    local found = call('LRANGE', KEYS[WAIT + line], index, index + most - 1)
    for _, entry in ipairs(found) do
      if #ids >= most or entries >= STEP or blocks >= BLOCKS_A_CALL then
        return line .. ' ' .. int(index) .. ' ' .. place .. ' ' .. to_hex(before)
      end
      entries = entries + 1
      if string.byte(entry, 13) == 35 then
        blocks = blocks + 1
        local block = string.sub(entry, 1, 12)
        local row = load_row(block)
        local stopped = row and offer_block(block, row, math.max(place, row.next), row.many)
        if stopped then return line .. ' ' .. int(index) .. ' ' .. stopped .. ' ' .. to_hex(entry) end
      else
        offer(entry)
      end
      index, place, before = index + 1, 0, entry
    end
    if #found == 0 then line, index, place, before = line + 1, 0, 0, '' end
  end
  if #ids >= most then return '10 ' end
  local following = read_on(FAIR, string.match(cursor, '^10 (.+)$') or '', most - #ids)
  return following and '10 ' .. following or ''
end

local function claims()
  local from, seen = tonumber(cursor ~= '' and cursor or 0), 0
  for _, items in ipairs(call('HVALS', CLAIMS)) do
    for item in each_item(items) do
      local block, first, last = run_of(item)
      if block then
        local text = kind ~= '' and call('HGET', BLOCKS, block)
        for place = first, last - 1 do
          seen = seen + 1
          if seen > from and (not text or fits(text)) then ids[#ids + 1] = id_in_block(block, place) end
          if #ids >= most then return int(seen) end
        end
      else
        seen = seen + 1
        if seen > from then offer(item) end
        if #ids >= most then return int(seen) end
      end
    end
  end
  return ''
end

local following
if state == 'waiting' then
  following = lines()
elseif state == 'active' then
  following = claims()
else
  following = sorted_set(state == 'delayed' and DELAYED or state == 'dead' and DEAD or state == 'done' and DONE or LANES)
end
return { following, unpack(ids) }
