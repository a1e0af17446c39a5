-- ARGV: shift, when (ms since 1970; 0: now), then ids
-- Makes jobs run at another time: waiting, delayed and held ones, and dead ones, which get all their attempts anew.
-- Gives a word for each: moved, or where it is instead (active, done), or gone. There may be fewer than ids: to search a
-- line may take long, and no more than one is searched a call; the rest has to be asked for again.
local words = {}
local at_ms = tonumber(ARGV[2])
for at = 3, #ARGV do
  local id = ARGV[at]
  local record = record_of(id)
  local options = record and options_of(record)
  local place = record and where(id, options) or 'gone'
  if place == 'waiting' or place == 'delayed' or place == 'held' or place == 'dead' then
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
    words[#words + 1] = 'moved'
    if place == 'waiting' then break end
  else
    words[#words + 1] = place
  end
end
write_counts()
wake_if_stirred()
return words
