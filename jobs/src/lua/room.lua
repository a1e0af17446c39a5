-- Why the queue takes no jobs now, if it takes none.
local function no_room()
  local settings = call('HMGET', SETTINGS, 'max_jobs', 'draining')
  if settings[2] then return redis.error_reply('DRAINING the queue takes no more jobs') end
  if settings[1] then
    local here = call('HMGET', COUNTS, 'waiting', 'active')
    local held = call('ZCARD', DELAYED) + call('ZCARD', LANES) + (here[1] or 0) + (here[2] or 0)
    if held >= tonumber(settings[1]) then
      return redis.error_reply('QUEUEFULL the queue holds ' .. held .. ' jobs, and ' .. settings[1] .. ' are its limit')
    end
  end
end
