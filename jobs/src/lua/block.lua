-- A block is a line `kind@version` and then one line a job: `payload` or `payload<tab>{more}`. Its jobs are plain, of
-- one kind and priority. Its row says: the place of the next job to be claimed, the byte where that one starts, how
-- many jobs there are, how many have not come to their end in it, and which were taken out of the middle of the rest.
local function load_row(block)
  local text = call('HGET', ROWS, block)
  if not text then return nil end
  local next_, offset, many, left, holes = string.match(text, '^(%d+) (%d+) (%d+) (%d+) ?(.*)$')
  if not next_ then return nil end
  return { next = tonumber(next_), offset = tonumber(offset), many = tonumber(many), left = tonumber(left), holes = holes }
end
-- A block whose jobs have all come to their end, or out of it, is gone.
local function save_row(block, row)
  if row.left == 0 then
    call('HDEL', ROWS, block)
    call('HDEL', BLOCKS, block)
  else
    local text = row.next .. ' ' .. row.offset .. ' ' .. row.many .. ' ' .. row.left
    if row.holes ~= '' then text = text .. ' ' .. row.holes end
    call('HSET', ROWS, block, text)
  end
end
local function is_hole(row, place) return row.holes ~= '' and string.find(row.holes, ',' .. place .. ',', 1, true) end

-- A job's block and place in it, if it was enqueued in one; and back.
local function in_block(id)
  if #id ~= 14 then return nil end
  return string.sub(id, 1, 11) .. string.sub(id, 14), tonumber(string.sub(id, 12, 13), 36)
end
local function id_in_block(block, place) return string.sub(block, 1, 11) .. base36(place, 2) .. string.sub(block, 12) end

-- A job with a record of its own is gone.
local function forget(id)
  call('HDEL', JOBS, id)
  call('HDEL', PAST, id)
  call('HDEL', STOPS, id)
end
