-- The lines that jobs wait in: one a priority, one more for tenants, and lanes, of which only some jobs may be under way.

-- Whether something came into line, or will, that an idle worker does not know of.
local stirred = false
local function wake_if_stirred() if stirred then wake() end end

local function put_off(id, till)
  call('ZADD', DELAYED, int(till), id)
  stirred = true
end

local function put_in_line(id, options)
  local priority = nature(id)
  if options and options.t then
    -- Start-time fair queueing (Goyal, Vin, Cheng 1996): a tenant's next job comes 1/weight after its last, in units of
    -- which there are enough for 5e11 jobs until no tenant's job waits and the count begins anew.
    local field = priority .. ' ' .. options.t
    local tag = math.max(tonumber(call('HGET', TAGS, priority) or 0), tonumber(call('HGET', TAGS, field) or 0))
    call('ZADD', FAIR, int(priority * FAIR_ROOM + tag), id)
    call('HSET', TAGS, field, int(tag + math.max(1, 1000 / (options.w or 1))))
  else
    call('RPUSH', KEYS[WAIT + priority], id)
  end
  add('waiting', 1)
  stirred = true
end

-- In front of all others of its priority: it has waited before.
local function put_in_front(id, options)
  if options and options.t then return put_in_line(id, options) end
  call('LPUSH', KEYS[WAIT + nature(id)], id)
  stirred = true
  add('waiting', 1)
end

-- Lets a job wait for a worker, or first for its turn in its lane: l its name, n how many may be under way.
local function admit(id, options)
  local lane = options and options.l
  if lane then
    local under_way = tonumber(call('HGET', HELD, 'n' .. lane) or 0)
    if under_way >= (options.n or 1) then
      call('ZADD', LANES, 0, lane .. '\0' .. id)
      return
    end
    call('HSET', HELD, 'n' .. lane, under_way + 1)
  end
  put_in_line(id, options)
end

-- Whether a job counts in its lane while a worker has it: one of a lane that is only spaced (r, without n) does until it
-- starts.
local function counts_while_active(options) return options.l and (options.n or not options.r) end

-- A job of a lane makes room for the next.
local function make_room(options)
  local lane = options.l
  local under_way = tonumber(call('HGET', HELD, 'n' .. lane) or 1) - 1
  local head = call('ZRANGEBYLEX', LANES, '[' .. lane .. '\0', '(' .. lane .. '\1', 'LIMIT', 0, 1)[1]
  if head and under_way < (options.n or 1) then
    call('ZREM', LANES, head)
    under_way = under_way + 1
    local id = string.sub(head, #lane + 2)
    put_in_line(id, options_of(call('HGET', JOBS, id)))
  end
  if under_way > 0 then call('HSET', HELD, 'n' .. lane, under_way) else call('HDEL', HELD, 'n' .. lane) end
end
