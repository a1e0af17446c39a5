-- ARGV: shift, pause (ms), then ids of dead jobs that could not be made safe elsewhere. They are left alone for so long.
even_if_full()
for at = 3, #ARGV do call('ZADD', DEAD, 'XX', int(now + ARGV[2]), ARGV[at]) end
return redis.status_reply('OK')
