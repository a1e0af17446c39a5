-- Ids: 9 digits of milliseconds since 1970 and 2 to tell apart those of one millisecond, all in base 36. Each is
-- greater than all before it, whatever the clock does, and as it holds the time it is new even to a Redis that lost
-- its last seconds. A job's id is that and one letter: its priority, as a digit for a plain job, as a letter (a is 0)
-- for one with options. A job in a block has two digits more, for its place in it, in front of that letter.
local function base36(number, width)
  local bytes = {}
  for place = width, 1, -1 do
    local digit = number % 36
    bytes[place] = digit < 10 and digit + 48 or digit + 87
    number = (number - digit) / 36
  end
  return string.char(unpack(bytes))
end

local id_ms, id_tail, id_head
local function next_id()
  if not id_ms then
    id_ms, id_tail = now, -1
    local last = call('GET', SEQ)
    if last then
      local ms, tail = tonumber(string.sub(last, 1, 9), 36), tonumber(string.sub(last, 10, 11), 36)
      if ms >= now then id_ms, id_tail = ms, tail end
    end
    id_head = base36(id_ms, 9)
  end
  id_tail = id_tail + 1
  if id_tail == 1296 then
    id_ms, id_tail = id_ms + 1, 0
    id_head = base36(id_ms, 9)
  end
  return id_head .. base36(id_tail, 2)
end
local function write_seq()
  if id_ms then call('SET', SEQ, id_head .. base36(id_tail, 2)) end
end

local BYTE_0, BYTE_9, BYTE_A = 48, 57, 97
-- A job's priority, and whether it has options.
local function nature(id)
  local byte = string.byte(id, -1)
  if byte <= BYTE_9 then return byte - BYTE_0, false end
  return byte - BYTE_A, true
end
-- Whether an entry of a line is a block.
local function is_block(entry) return string.byte(entry, 13) == 35 end
-- When an id was made, ms since 1970.
local function born(id) return tonumber(string.sub(id, 1, 9), 36) end
