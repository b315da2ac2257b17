-- Some of what a node that is gone holds in this part, to one reaper at a time. What he has not taken out of the node's hands
-- when his claim is over goes to the next one.
-- KEYS: ground, holders, held, claim. ARGV: the node, who reaps, how long he may (ms), how much, the youth of a ground (ms).
-- Returns what came of it, then what is held.
if is_young(ARGV[5]) then return { 'young' } end
local claimed = redis.call('GET', KEYS[4])
if claimed and claimed ~= ARGV[2] then return { 'claimed' } end
local found = redis.call('SRANDMEMBER', KEYS[3], ARGV[4])
if #found == 0 then
  redis.call('SREM', KEYS[2], ARGV[1])
  redis.call('DEL', KEYS[4])
  return { 'empty' }
end
redis.call('SET', KEYS[4], ARGV[2], 'PX', ARGV[3])
table.insert(found, 1, 'held')
return found
