-- How jobs come in and go: with everything that hangs on them.

-- Whether what the job is about was cancelled since.
local function is_cancelled(options)
  local cancelled = options and options.u and call('ZSCORE', CANCELLED, options.u)
  return cancelled and (options.e or 0) <= tonumber(cancelled)
end

local function free_unique(id, options)
  -- A key held for a window is held beyond the job's end.
  if options.u and call('HGET', UNIQUE, options.u) == id then call('HDEL', UNIQUE, options.u) end
end

-- What a job can be found by: what is said of it, and an id of its own.
local function terms_of(options)
  local terms = options.x or {}
  if not options.o then return terms end
  return { 'id=' .. options.o, unpack(terms) }
end

-- Puts a job in. Every way into the queue but the fast path of enqueue.lua comes through here. `as_it_came`: the
-- record has its options in front already.
local function store(kind, options, priority, record, as_it_came)
  local plain = next(options) == nil
  local id = next_id() .. string.char(priority + (plain and BYTE_0 or BYTE_A))
  if not plain and not as_it_came then record = '+' .. cjson.encode(options) .. '\n' .. record end
  call('HSET', JOBS, id, record)
  if options.u then
    call('HSET', UNIQUE, options.u, options.uw and id .. ' ' .. int(now + options.uw) or id)
    if options.uw then call('ZADD', SEEN, int(now + options.uw), 'u:' .. options.u) end
  end
  for _, term in ipairs(terms_of(options)) do call('ZADD', INDEX, 0, term .. '\0' .. id) end
  local at = options.at or (options.d and now + options.d)
  if at and at > now then
    set_delayed(id, at)
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

-- Undoes what hangs on a job that has come to its end: done, cancelled or dead. `in_lane`: it counts in its lane.
-- `kept`: its record stays, to be found.
local function let_go(id, options, ending, in_lane, kept)
  free_unique(id, options)
  if in_lane and options.l then make_room(options) end
  if not kept then unindex(id, options) end
  if options.b then close_in_batch(options.b, ending) end
  if ending == 'done' and options.c then
    local following = table.remove(options.c, 1)
    local its = following.options or {}
    if #options.c > 0 then its.c = options.c end
    store(following.kind, its, following.priority, following.record)
  end
end

local function forget(id)
  call('HDEL', JOBS, id)
  call('HDEL', PAST, id)
  call('HDEL', STOPS, id)
end

-- A job that no worker will do: dead, until it is safe elsewhere or runs again.
local function bury(id, record, past)
  past.k = nil
  save_past(id, past)
  call('HDEL', STOPS, id)
  call('ZADD', DEAD, int(now), id)
  count('dead', kind_of(record))
  local options = options_of(record)
  if options then let_go(id, options, 'dead', not options.r, true) end
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
    admitted = true
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
