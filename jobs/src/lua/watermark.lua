-- In front of a hand-off: whether its source is where the caller believes it to be. If not, nothing is done.
-- Its first group has the source for its kind, mode mark, in place of a number of jobs the offset that is expected to be
-- stored (- for none, ? for not known, which only none answers to), and one value: what is stored from then on.
-- Looks at no job: what is at or below a watermark was handed off, and all of a call is above it, by its caller's word.
if ARGV[5] == 'mark' then
  local stored, expected = call('HGET', WATERMARKS, ARGV[4]), ARGV[6]
  local offset = stored and string.match(stored, '^%S+') or '-'
  if offset ~= expected and (stored or expected ~= '?') then return '@' .. (stored or '-') end
end
