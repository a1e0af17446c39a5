-- ARGV from 2: what to do, and to what:
--   list                        gives the time (ms), then name and entry of each in turn
--   put, name, times, definition
--   declare, application, then name, times and definition of each: all that its code has for this queue
--   edit, name, cron, zone      other times than those of its definition, until it is reset or has others itself
--   remove                      gives its entry, too: what restore puts back
--   restore, name, entry        says whether it did: there may be another of that name
--   reset | pause | resume, name
--   run, name, kind, priority, record gives the job's id
-- put and remove give the application whose code has the schedule, and have changed nothing then; else ''.
-- An entry is JSON. Its definition is a text in it: Lua would not give back every number and list as it was.
local what, name = ARGV[2], ARGV[3]

local function read(name)
  local text = call('HGET', SCHEDULES, name)
  return text and cjson.decode(text)
end
local function write(name, entry) call('HSET', SCHEDULES, name, cjson.encode(entry)) end
-- The definition's version: never the same twice, even if it is changed twice in a millisecond.
local function changed(entry) entry.changed = math.max(now, entry.changed + 1) end
local function is_in_code(entry) return entry and entry.code ~= '' and not entry.left end

local function define(name, times, definition, code)
  local entry = read(name) or { last = 0, changed = 0, paused = false, left = true }
  local same_times = entry.times == times and not entry.left
  if same_times and entry.definition == definition and entry.code == code then return end
  -- What it had not fired yet by other times, or while it was not there, is not made up for.
  if not same_times then entry.since = now end
  if entry.times ~= times then entry.edited = nil end
  entry.times, entry.definition, entry.code, entry.left = times, definition, code, false
  changed(entry)
  write(name, entry)
end

if what == 'list' then
  return { now, call('HGETALL', SCHEDULES) }
elseif what == 'put' then
  local entry = read(name)
  if is_in_code(entry) then return entry.code end
  define(name, ARGV[4], ARGV[5], '')
  return ''
elseif what == 'declare' then
  local application, declared = ARGV[3], {}
  for at = 4, #ARGV, 3 do
    declared[ARGV[at]] = true
    define(ARGV[at], ARGV[at + 1], ARGV[at + 2], application)
  end
  for _, name in ipairs(call('HKEYS', SCHEDULES)) do
    local entry = read(name)
    if entry.code == application and not entry.left and not declared[name] then
      entry.left = true
      write(name, entry)
    end
  end
elseif what == 'run' then
  local entry = read(name)
  local id = store(ARGV[4], {}, tonumber(ARGV[5]), ARGV[6])
  if entry then
    note_job(entry, id, 0)
    write(name, entry)
  end
  write_seq()
  write_counts()
  wake()
  return id
elseif what == 'restore' then
  local entry = cjson.decode(ARGV[4])
  -- What it would have fired meanwhile is not made up for.
  entry.since = now
  changed(entry)
  return call('HSETNX', SCHEDULES, name, cjson.encode(entry))
else
  local entry = read(name)
  -- Removed meanwhile, which is as good as paused, and nothing to be resumed.
  if not entry then return what == 'remove' and { '', '' } or '' end
  if what == 'remove' then
    if is_in_code(entry) then return { entry.code, '' } end
    local text = call('HGET', SCHEDULES, name)
    call('HDEL', SCHEDULES, name)
    return { '', text }
  elseif what == 'edit' or (what == 'reset' and entry.edited) then
    entry.edited = what == 'edit' and { cron = ARGV[4], zone = ARGV[5] } or nil
    entry.since = now
    changed(entry)
    write(name, entry)
  elseif what == 'pause' then
    entry.paused = true
    write(name, entry)
  elseif what == 'resume' and entry.paused then
    entry.paused, entry.since = false, now
    write(name, entry)
  end
  return ''
end
