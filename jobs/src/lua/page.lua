-- ARGV: shift, state (waiting delayed active dead done held), cursor ('' at first), most ids, kind ('': any), and for what
-- is delayed or done from and until when (ms since 1970; '': no matter): that it runs, or was done
-- Gives the next cursor ('' at the end), and ids. Looks at no more than so many entries a call: there may be fewer ids
-- than asked for, or none, and still more to come. What moves meanwhile may be missed or come twice.
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

local function sorted_set(key)
  local from, last = tonumber(cursor ~= '' and cursor or 0), math.huge
  if key == DELAYED or key == DONE then
    if ARGV[6] ~= '' then from = math.max(from, call('ZCOUNT', key, '-inf', '(' .. ARGV[6])) end
    if ARGV[7] ~= '' then last = call('ZCOUNT', key, '-inf', ARGV[7]) - 1 end
  end
  local found = from > last and {} or call('ZRANGE', key, from, int(math.min(from + math.min(most, STEP) - 1, last)))
  for _, entry in ipairs(found) do offer(key == LANES and string.match(entry, '%z(%w+)$') or entry) end
  return #found > 0 and int(from + #found) or ''
end

-- Of blocks of another kind it reads no more than so many.
local BLOCKS_A_CALL = 50

local function lines()
  local line, index, place = string.match(cursor, '^(%d+) (%d+) (%d+)$')
  line, index, place = tonumber(line or 0), tonumber(index or 0), tonumber(place or 0)
  local entries, blocks = 0, 0
  while line < 10 do
    local found = call('LRANGE', KEYS[WAIT + line], index, index + most - 1)
    for _, entry in ipairs(found) do
      if #ids >= most or entries >= STEP or blocks >= BLOCKS_A_CALL then
        return line .. ' ' .. int(index) .. ' ' .. place
      end
      entries = entries + 1
      if string.byte(entry, 13) == 35 then
        blocks = blocks + 1
        local block = string.sub(entry, 1, 12)
        local row = load_row(block)
        local stopped = row and offer_block(block, row, math.max(place, row.next), row.many)
        if stopped then return line .. ' ' .. int(index) .. ' ' .. stopped end
      else
        offer(entry)
      end
      index, place = index + 1, 0
    end
    if #found == 0 then line, index, place = line + 1, 0, 0 end
  end
  if #ids >= most then return '10 ' .. int(index) .. ' 0' end
  local found = call('ZRANGE', FAIR, index, index + most - #ids - 1)
  for _, id in ipairs(found) do offer(id) end
  index = index + #found
  if call('ZCARD', FAIR) <= index then return '' end
  return '10 ' .. int(index) .. ' 0'
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
