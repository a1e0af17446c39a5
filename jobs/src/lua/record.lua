-- A record is `kind@version {more}\npayload`, after a line `+{options}` where it has options.
-- What somebody else has written into them must not stop a queue: it is read as far as it goes.
local function decode(text)
  local well, value = pcall(cjson.decode, text)
  return well and type(value) == 'table' and value or {}
end
-- A record that is not there is read as an empty one.
local function after_options(record)
  return string.byte(record, 1) == 43 and (string.find(record, '\n', 2, true) or #record) + 1 or 1
end
-- What each option is, by its letter: docs/protocol.md says what for. Made when first wanted: most calls do not.
local option_types
-- Gives a record's options, none for a plain one. Those that are not as they should be are left out.
local function options_of(record)
  record = record or ''
  local start = after_options(record)
  if start == 1 then return nil end
  option_types = option_types or {
    p = 'number', at = 'number', d = 'number', o = 'string', ow = 'number', y = 'string', yw = 'number', u = 'string',
    uw = 'number', us = 'boolean', uc = 'boolean', e = 'number', l = 'string', n = 'number', h = 'boolean', r = 'number',
    t = 'string', w = 'number', x = 'table', b = 'string', c = 'table',
  }
  local options = decode(string.sub(record, 2, start - 2))
  for name, value in pairs(options) do
    if type(value) ~= option_types[name] then options[name] = nil end
  end
  return options
end
local function kind_of(record)
  record = record or ''
  local start = after_options(record)
  return string.match(record, '^[^@ \n]+', start) or 'unknown'
end

-- How often a job may run before it is dead.
local function attempts_of(record)
  record = record or ''
  local more = string.match(record, '^[^ \n]+ ({[^\n]*})\n', after_options(record))
  return more and tonumber(decode(more).m) or 4
end

-- A block's lines, of which a call may need many.
local lines_of_blocks = {}
local function lines_of(block)
  local lines = lines_of_blocks[block]
  local text = not lines and call('HGET', BLOCKS, block)
  if text then
    lines = {}
    for line in string.gmatch(text .. '\n', '([^\n]*)\n') do lines[#lines + 1] = line end
    lines_of_blocks[block] = lines
  end
  return lines
end

-- A job's record: a block's line for it made into one.
local function record_in(lines, place)
  local head, line = lines[1], lines[place + 2] or ''
  local payload, more = string.match(line, '^([^\t]*)\t(.*)$')
  if more then return head .. ' ' .. more .. '\n' .. payload end
  return head .. '\n' .. line
end
local function record_of(id)
  local record = call('HGET', JOBS, id)
  if record then return record end
  local block, place = in_block(id)
  local row = block and load_row(block)
  local lines = row and place < row.many and lines_of(block)
  if lines then return record_in(lines, place), row end
end

-- Takes a job out of its block: from now on it has a record of its own.
local function move_out(id)
  if call('HEXISTS', JOBS, id) == 1 then return end
  local record, row = record_of(id)
  if not row then return end
  local block, place = in_block(id)
  call('HSET', JOBS, id, record)
  if place >= row.next then row.holes = (row.holes == '' and ',' or row.holes) .. place .. ',' end
  row.left = row.left - 1
  save_row(block, row)
end

-- What happened to a job so far: a attempts, f failures (oldest first), h times handed back unknown, k whether it
-- keeps its place in its lane, p progress, l log. Most jobs have none.
local function load_past(id)
  local text = call('HGET', PAST, id)
  return text and decode(text) or {}
end
local function save_past(id, past)
  if next(past) == nil then call('HDEL', PAST, id) else call('HSET', PAST, id, cjson.encode(past)) end
end
local function note_failure(past, code, message)
  past.f = past.f or {}
  if #past.f >= 20 then table.remove(past.f, 1) end
  table.insert(past.f, { at = now, attempt = past.a, code = code, message = message })
end
