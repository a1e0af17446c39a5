-- ARGV: shift, then ids
-- Cancels jobs wherever they are. Gives a word for each: cancelled, stopping (a worker has it, and is told), or where
-- it is instead (dead, done), or gone.
local words = {}
for at = 2, #ARGV do
  local id = ARGV[at]
  local record = record_of(id)
  local word = 'gone'
  if record then
    local taken, place = cancel(id, options_of(record), kind_of(record))
    word = taken and 'cancelled' or place or 'gone'
    if word == 'active' then
      word = 'stopping'
      call('HSET', STOPS, id, int(now))
    end
  end
  words[#words + 1] = word
end
write_seq()
write_counts()
wake_if_stirred()
return words
