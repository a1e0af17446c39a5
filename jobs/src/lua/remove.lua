-- ARGV: shift, then ids
-- Removes jobs that no worker has: dead ones that are safe elsewhere, and whatever else an operator wants gone.
-- Gives 1 for each that was removed, 0 for one that was not.
even_if_full()
local removed = {}
for at = 2, #ARGV do
  local id = ARGV[at]
  local record = record_of(id)
  local options = record and options_of(record)
  local place, admitted = withdraw(id, options, true)
  if place then
    forget(id)
    if place == 'dead' or place == 'done' then
      -- It came to its end before.
      if options then unindex(id, options) end
    else
      if options then let_go(id, options, 'cancelled', admitted) end
      count('cancelled', kind_of(record))
    end
  end
  removed[#removed + 1] = place and 1 or 0
end
write_seq()
write_counts()
wake_if_stirred()
return removed
