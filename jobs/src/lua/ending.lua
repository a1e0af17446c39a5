-- How jobs come in and go: with everything that hangs on them.

-- Whether what the job is about was cancelled since. Without a time of its own it is about the time it was enqueued.
local function is_cancelled(options, id)
  local cancelled = options and options.u and call('ZSCORE', CANCELLED, options.u)
  return cancelled and (options.e or (id and born(id)) or now) <= tonumber(cancelled)
end

-- Whose a unique key is, and whether it is held: one that is held for a window is that job's until both are over.
local function holder_of(unique)
  local id, till = string.match(call('HGET', UNIQUE, unique) or '', '^(%S+) ?(%d*)$')
  return id, id and (till == '' or tonumber(till) > now), till ~= ''
end
local function free_unique(id, options)
  if not options.u then return end
  local holder, held, for_window = holder_of(options.u)
  if holder == id and not (held and for_window) then call('HDEL', UNIQUE, options.u) end
end

-- What a job can be found by: what is said of it, and an id of its own.
local function terms_of(options)
  local terms = options.x or {}
  if not options.o then return terms end
  return { 'id=' .. options.o, unpack(terms) }
end

local function index(id, options)
  for _, term in ipairs(terms_of(options)) do call('ZADD', INDEX, 0, term .. '\0' .. id) end
end

-- Puts a job in, whatever there is; `enter` asks first. `as_it_came`: the record has its options in front already.
local function store(kind, options, priority, record, as_it_came)
  local plain = next(options) == nil
  local id = next_id() .. string.char(priority + (plain and BYTE_0 or BYTE_A))
  if not plain and not as_it_came then record = '+' .. cjson.encode(options) .. '\n' .. record end
  call('HSET', JOBS, id, record)
  if options.u then
    call('HSET', UNIQUE, options.u, options.uw and id .. ' ' .. int(now + options.uw) or id)
    if options.uw then call('ZADD', SEEN, int(now + options.uw), 'u:' .. options.u) end
  end
  index(id, options)
  local at = options.at or (options.d and now + options.d)
  if at and at > now then
    put_off(id, at)
  else
    admit(id, options)
  end
  count('enqueued', kind)
  return id
end

-- A job of a batch has come to its end; the last one, or the first dead one, sets off what follows.
local function close_in_batch(name, ending)
  local text = call('HGET', BATCHES, name)
  if not text then return end
  local batch = cjson.decode(text)
  batch.left = batch.left - 1
  if ending ~= 'done' then batch[ending] = (batch[ending] or 0) + 1 end
  local callback = batch.callback
  if callback and (batch.left <= 0 or ending == 'dead') then
    batch.callback = nil
    local outcome = { id = name, total = batch.total, dead = batch.dead or 0, cancelled = batch.cancelled or 0 }
    local more = callback.more or {}
    more.b = outcome
    local record = callback.head .. ' ' .. cjson.encode(more) .. '\n' .. callback.payload
    store(callback.kind, callback.options or {}, callback.priority, record)
  end
  if batch.left <= 0 then call('HDEL', BATCHES, name) else call('HSET', BATCHES, name, cjson.encode(batch)) end
end

-- A dead job of a batch that is not over runs again.
local function reopen_in_batch(name)
  local text = call('HGET', BATCHES, name)
  if not text then return end
  local batch = cjson.decode(text)
  batch.left, batch.dead = batch.left + 1, math.max(0, (batch.dead or 1) - 1)
  call('HSET', BATCHES, name, cjson.encode(batch))
end

local function unindex(id, options)
  for _, term in ipairs(terms_of(options)) do call('ZREM', INDEX, term .. '\0' .. id) end
end

local enter

-- Undoes what hangs on a job that has come to its end: done, cancelled or dead. `counts`: it does in its lane.
-- `kept`: its record stays, to be found.
local function let_go(id, options, ending, counts, kept)
  free_unique(id, options)
  if counts then make_room(options) end
  if not kept then unindex(id, options) end
  if options.b then close_in_batch(options.b, ending) end
  if ending == 'done' and options.c then
    local following = table.remove(options.c, 1)
    local its = following.options or {}
    if #options.c > 0 then its.c = options.c end
    enter(following.kind, its, following.priority, following.record)
  end
end

-- Takes a job from its worker that was cancelled while it ran. Gives whether it was.
local function drop_if_cancelled(id, options, record)
  if not is_cancelled(options, id) and call('HEXISTS', STOPS, id) == 0 then return false end
  forget(id)
  if options then let_go(id, options, 'cancelled', counts_while_active(options)) end
  count('cancelled', kind_of(record))
  return true
end

-- A job that no worker will do: dead, until it is safe elsewhere or runs again.
local function bury(id, record, past)
  past.k = nil
  save_past(id, past)
  call('HDEL', STOPS, id)
  call('ZADD', DEAD, int(now), id)
  count('dead', kind_of(record))
  local options = options_of(record)
  if options then let_go(id, options, 'dead', counts_while_active(options), true) end
end

-- Where a job is: delayed, dead, done, held (its lane is full), active (then also under which token), waiting; or nil.
local function where(id, options)
  if call('HEXISTS', JOBS, id) == 0 then
    local block, place = in_block(id)
    local row = block and load_row(block)
    if not row or place >= row.many then return nil end
    if place >= row.next then return not is_hole(row, place) and 'waiting' or nil end
    local token = token_of(id)
    return token and 'active' or nil, token
  end
  if call('ZSCORE', DELAYED, id) then return 'delayed' end
  if call('ZSCORE', DEAD, id) then return 'dead' end
  if call('ZSCORE', DONE, id) then return 'done' end
  if options and options.l and call('ZSCORE', LANES, options.l .. '\0' .. id) then return 'held' end
  local token = token_of(id)
  if token then return 'active', token end
  return 'waiting'
end

-- Takes a job that no worker has out of its state, and gives that, and whether it counts in its lane. Its record stays.
-- What waits in line leaves its id behind there: to search the line would take too long, and a claim skips ids
-- without a record. `for_good` says that the record will go; else the line is searched.
local function withdraw(id, options, for_good)
  local place = where(id, options)
  local admitted = false
  if place == 'waiting' then
    admitted = options and options.l
    if options and options.t then
      call('ZREM', FAIR, id)
    elseif call('HEXISTS', JOBS, id) == 0 then
      move_out(id)
    elseif not for_good then
      call('LREM', KEYS[WAIT + nature(id)], 1, id)
    end
    add('waiting', -1)
  elseif place == 'delayed' then
    call('ZREM', DELAYED, id)
    admitted = options and options.l and load_past(id).k
  elseif place == 'held' then
    call('ZREM', LANES, options.l .. '\0' .. id)
  elseif place == 'dead' then
    call('ZREM', DEAD, id)
  elseif place == 'done' then
    call('ZREM', DONE, id)
  else
    return nil, place
  end
  return place, admitted
end

-- Cancels a job that no worker has and that has not come to its end. Gives where it was.
local function cancel(id, options, kind)
  local place = where(id, options)
  if place ~= 'waiting' and place ~= 'delayed' and place ~= 'held' then return nil, place end
  local _, admitted = withdraw(id, options, true)
  forget(id)
  if options then let_go(id, options, 'cancelled', admitted) end
  count('cancelled', kind)
  return place
end

-- Whether something that is remembered by this name lasts; if not it is remembered from now on.
local function is_remembered(name, window)
  local till = call('ZSCORE', SEEN, name)
  if till and tonumber(till) > now then return true end
  call('ZADD', SEEN, int(now + window), name)
  return false
end

-- A job at the door, by which all come in but plain ones and callbacks. Gives its id; = if it is a duplicate; ~ and
-- the id of the job that holds its key; ! if it was cancelled before it came.
enter = function(kind, options, priority, record, as_it_came)
  if options.o then
    -- The same event again, within a window or while its job is here.
    local term = 'id=' .. options.o .. '\0'
    local is_here = #call('ZRANGEBYLEX', INDEX, '[' .. term, '(' .. term .. '~', 'LIMIT', 0, 1) > 0
    if is_here or is_remembered('o:' .. options.o, options.ow or 0) then
      count('duplicate', kind)
      return '='
    end
  end
  if options.y and is_remembered('y:' .. options.y, options.yw or 0) then
    count('duplicate', kind)
    return '='
  end
  if options.u then
    if is_cancelled(options) then
      count('enqueued', kind)
      count('cancelled', kind)
      return '!'
    end
    local holder, held = holder_of(options.u)
    if held then
      local its = options.uc and call('HGET', JOBS, holder)
      local replaced = its and cancel(holder, options_of(its), kind)
      -- One that runs already has read its arguments: the newer comes after it.
      local too_late = its and not replaced and where(holder) == 'active'
      if not replaced and not too_late then
        count('held', kind)
        return '~' .. holder
      end
    end
  end
  return store(kind, options, priority, record, as_it_came)
end
