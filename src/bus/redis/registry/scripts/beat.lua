-- A node lives for one lease more. Whoever was declared gone stays so: what it held has been given away.
-- KEYS: ground, leases, gone. ARGV: the node's incarnation, its name, the lease and the youth of a ground (ms), the most nodes.
-- Returns what came of it, whether the ground is young, then incarnation and name of each that lives.
local word = 'renewed'
local known = redis.call('HGET', KEYS[2], ARGV[1])
if not known and redis.call('HLEN', KEYS[2]) >= tonumber(ARGV[5]) then
  -- Those whose leases are over make room; they stay gone, as if they had been judged.
  local leases = redis.call('HGETALL', KEYS[2])
  for at = 1, #leases, 2 do
    if tonumber(string.match(leases[at + 1], '^(%S+)')) <= now then
      redis.call('HDEL', KEYS[2], leases[at])
      redis.call('ZADD', KEYS[3], whole(now), leases[at])
    end
  end
end
if redis.call('ZSCORE', KEYS[3], ARGV[1]) then
  word = 'gone'
elseif not known and redis.call('HLEN', KEYS[2]) >= tonumber(ARGV[5]) then
  word = 'full'
else
  -- A lease from another ground proves nothing about the other keys: the node has to say again what it holds.
  if not known or string.match(known, '^%S+ (%S+)') ~= ground then word = 'registered' end
  redis.call('HSET', KEYS[2], ARGV[1], whole(now + tonumber(ARGV[3])) .. ' ' .. ground .. ' ' .. ARGV[2])
end
return tell_living({ word, is_young(ARGV[4]) and '1' or '0' })
