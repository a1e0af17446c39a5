-- Gives the counts (field and value in turn), then how many jobs wait, are delayed, active, dead: all of one moment.
-- A script, because a Redis without memory refuses MULTI, and that is when one wants to look.
return { redis.call('HGETALL', COUNTS), redis.call('ZCARD', WAIT), redis.call('ZCARD', DELAYED),
         redis.call('ZCARD', ACTIVE), redis.call('ZCARD', DEAD) }
