-- STAND-IN, until the prelude has these itself: what tick.lua and schedule.lua use of it. Then this file goes.
local SCHEDULES = KEYS[14]
local call = redis.call
now = now + tonumber(ARGV[1])

local function write_seq() end

-- A record is `kind@version {more}`, a line's end, and the payload; what is stored is one JSON object.
local function store(kind, _, priority, record)
  local sequence = redis.call('INCR', SEQ)
  local id = 'schedule-' .. int(sequence)
  local head, payload = record:match('^([^\n]*)\n(.*)$')
  local version, more = head:match('^[^ ]+@(%d+)') or '1', head:match('^[^ ]+ {(.*)}$')
  local body = '{"kind":' .. cjson.encode(kind) .. ',"version":' .. version .. ',"timeout_ms":30000,"time":' .. int(now)
  if more then body = body .. ',' .. more end
  redis.call('HSET', JOBS, id, body .. ',"payload":' .. payload .. '}')
  local run = { k = kind, p = priority, s = sequence, a = 0, m = 4, t = 0, e = now }
  save_run(id, run)
  to_wait(id, run)
  count('enqueued', kind)
  return id
end
