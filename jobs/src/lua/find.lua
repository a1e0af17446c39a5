-- ARGV: shift, term of the index, id to go on after (''), most ids. Gives ids of jobs indexed under the term.
local term = ARGV[2]
local found = call('ZRANGEBYLEX', INDEX, (ARGV[3] == '' and '[' or '(') .. term .. '\0' .. ARGV[3], '(' .. term .. '\1',
  'LIMIT', 0, ARGV[4])
for at, member in ipairs(found) do found[at] = string.sub(member, #term + 2) end
return found
