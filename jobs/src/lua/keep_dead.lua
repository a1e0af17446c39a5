-- ARGV: pause (ms), then ids of dead jobs that could not be made safe elsewhere. They are left alone for so long.
even_if_full()
for at = 2, #ARGV do
  redis.call('ZADD', DEAD, 'XX', int(now + tonumber(ARGV[1])), ARGV[at])
end
return redis.status_reply('OK')
