-- Makes a job run at another time (ms since 1970; 0: now): one that waits, is delayed, held or dead. A dead one gets all
-- its attempts anew. With `new_record` that takes the place of its own. Gives moved, or where it is instead (active, done),
-- or gone; and where it was.
local function run_at(id, at_ms, new_record)
  local record = record_of(id)
  local options = record and options_of(record)
  local place = record and where(id, options) or 'gone'
  if place ~= 'waiting' and place ~= 'delayed' and place ~= 'held' and place ~= 'dead' then return place, place end
  local _, admitted = withdraw(id, options, false)
  local past = load_past(id)
  if place == 'dead' then
    past.a = nil
    if options and options.b then reopen_in_batch(options.b) end
    count('redriven', kind_of(record))
    if options and options.u and not options.uw then
      local _, held = holder_of(options.u)
      if not held then call('HSET', UNIQUE, options.u, id) end
    end
  end
  if new_record then
    if options then unindex(id, options) end
    call('HSET', JOBS, id, new_record)
    options = options_of(new_record)
    if options then index(id, options) end
  end
  -- Where order is to be kept all others of the lane wait for it; else the next one goes on meanwhile.
  past.k = admitted and options.h and at_ms > now and 1 or nil
  save_past(id, past)
  if at_ms > now then
    if admitted and not past.k then make_room(options) end
    put_off(id, at_ms)
  elseif admitted then
    put_in_line(id, options)
  else
    admit(id, options)
  end
  return 'moved', place
end
