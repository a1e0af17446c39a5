-- ARGV: shift, when (ms since 1970; 0: now), then ids
-- Makes jobs run at another time: waiting, delayed and held ones, and dead ones, which get all their attempts anew.
-- Gives a word for each: moved, or where it is instead (active, done), or gone.
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
      if options and options.u and not options.uw then call('HSETNX', UNIQUE, options.u, id) end
    end
    -- One that runs later lets others of its lane go first, unless they are to keep their order.
    local later = at_ms > now
    local stays = admitted and options and options.l and (options.h or not later)
    if admitted and options and options.l and not stays then make_room(options) end
    past.k = stays and later and 1 or nil
    save_past(id, past)
    if later then
      set_delayed(id, at_ms)
    elseif stays then
      put_in_line(id, options)
    else
      admit(id, options)
    end
    place = 'moved'
  end
  words[#words + 1] = place
end
write_counts()
if stirred then wake() end
return words
