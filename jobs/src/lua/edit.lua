-- ARGV: shift, id, record
-- Gives a job another record, with which it runs now: one that waits, is delayed or dead. Gives moved, or where it is
-- instead, or gone.
local word = run_at(ARGV[2], 0, ARGV[3])
write_counts()
wake_if_stirred()
return word
