-- A connection of a token is there: the break, if there was one, is over. It may say so again.
-- KEYS: ground, connections, session, due, holders, held. ARGV: the token, the connection, its node, an id for a new session, the
-- most connections of the token, what the node holds of it, the most that a node may hold here.
-- Returns what came of it, how many connections there are, the session, whether this ended a break, the positions then ('' if nobody
-- noted any), and of each node that has some, which and how many.
local is_new = redis.call('HEXISTS', KEYS[2], ARGV[2]) == 0
local count = redis.call('HLEN', KEYS[2])
if is_new and (count >= tonumber(ARGV[5]) or redis.call('SCARD', KEYS[6]) >= tonumber(ARGV[7])) then
  return { 'full' }
end
-- Another node's word of the same connection is taken back where that node is reaped: it finds it is not its own.
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
redis.call('SADD', KEYS[5], ARGV[3])
redis.call('SADD', KEYS[6], ARGV[6])
local was_away = redis.call('ZREM', KEYS[4], ARGV[1])
redis.call('HSETNX', KEYS[3], 'session', ARGV[4])
redis.call('PERSIST', KEYS[3])
local session = redis.call('HMGET', KEYS[3], 'session', 'positions')
redis.call('HDEL', KEYS[3], 'positions')
local found = { 'in', whole(redis.call('HLEN', KEYS[2])), session[1], whole(was_away), session[2] or '' }
local nodes = {}
for _, node in ipairs(redis.call('HVALS', KEYS[2])) do nodes[node] = (nodes[node] or 0) + 1 end
for node, has in pairs(nodes) do
  found[#found + 1] = node
  found[#found + 1] = whole(has)
end
return found
