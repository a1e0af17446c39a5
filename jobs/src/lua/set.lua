-- ARGV: shift, then pairs of a setting and its value ('': unset)
-- Also without memory: pausing may be what helps.
even_if_full()
for at = 2, #ARGV, 2 do
  if ARGV[at + 1] == '' then call('HDEL', SETTINGS, ARGV[at]) else call('HSET', SETTINGS, ARGV[at], ARGV[at + 1]) end
end
wake()
return redis.status_reply('OK')
