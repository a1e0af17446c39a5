-- ARGV: shift, then ids
-- Removes jobs that no worker has: dead ones that are safe elsewhere, and whatever else an operator wants gone.
-- Gives how many were removed.
even_if_full()
local removed = 0
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
    removed = removed + 1
  end
end
write_seq()
write_counts()
wake_if_stirred()
return removed
