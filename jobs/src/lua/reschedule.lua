-- ARGV: shift, when (ms since 1970; 0: now), then ids
-- Makes jobs run at another time: waiting, delayed and held ones, and dead ones, which get all their attempts anew.
-- Gives a word for each: moved, or where it is instead (active, done), or gone. There may be fewer than ids: to search a
-- line may take long, and no more than one is searched a call; the rest has to be asked for again.
local words = {}
local at_ms = tonumber(ARGV[2])
for at = 3, #ARGV do
  local word, place = run_at(ARGV[at], at_ms)
  words[#words + 1] = word
  if word == 'moved' and place == 'waiting' then break end
end
write_counts()
wake_if_stirred()
return words
