-- ARGV: shift, token, id, progress (0-100, '': as it is), line for the log ('': none)
-- Notes what a running job has to say. Gives whether it is still its worker's.
local token, id = ARGV[2], ARGV[3]
if not is_among(call('HGET', CLAIMS, token) or '', id) then return 0 end
local past = load_past(id)
if ARGV[4] ~= '' then past.p = tonumber(ARGV[4]) end
if ARGV[5] ~= '' then
  past.l = past.l or {}
  if #past.l >= 20 then table.remove(past.l, 1) end
  table.insert(past.l, { at = now, line = ARGV[5] })
end
save_past(id, past)
return 1
