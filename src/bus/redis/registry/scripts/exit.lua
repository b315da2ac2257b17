-- A node has a connection no more. If it was the token's last one, its break begins.
-- KEYS: ground, connections, session, due, holders, held. ARGV: the token, the connection, its node, the positions, the grace, how
-- long a session outlives it that nobody ends (ms), what the node holds of it.
-- Returns what came of it, and how many connections there are.
redis.call('SREM', KEYS[6], ARGV[7])
if redis.call('SCARD', KEYS[6]) == 0 then redis.call('SREM', KEYS[5], ARGV[3]) end
-- A late word of what is another node's by now, or was said before.
if redis.call('HGET', KEYS[2], ARGV[2]) ~= ARGV[3] then
  return { 'unknown', whole(redis.call('HLEN', KEYS[2])) }
end
redis.call('HDEL', KEYS[2], ARGV[2])
local count = redis.call('HLEN', KEYS[2])
if count > 0 then return { 'others', whole(count) } end
redis.call('HSET', KEYS[3], 'positions', ARGV[4])
redis.call('PEXPIRE', KEYS[3], ARGV[6])
redis.call('ZADD', KEYS[4], whole(now + tonumber(ARGV[5])), ARGV[1])
redis.call('PEXPIRE', KEYS[4], ARGV[6])
return { 'last', '0' }
