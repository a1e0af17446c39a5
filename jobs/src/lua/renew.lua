-- ARGV: shift, lease (ms), then tokens
-- Gives the tokens whose leases have ended, parted by spaces, and the ids of running jobs that are to be cancelled.
even_if_full()
hear(ARGV[2])
local lost = {}
for at = 3, #ARGV do
  if call('HEXISTS', CLAIMS, ARGV[at]) == 1 then
    call('ZADD', LEASES, 'XX', int(now + ARGV[2]), ARGV[at])
  else
    lost[#lost + 1] = ARGV[at]
  end
end
return { table.concat(lost, ' '), call('HKEYS', STOPS) }
