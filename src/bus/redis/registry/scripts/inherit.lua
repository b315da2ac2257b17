-- What a node that is gone held of a session's presence goes to an heir, who keeps the session's place without being where it is:
-- nobody counts or sees it, but it has not left either, so that it may come back within its grace as if nothing had been.
-- KEYS: ground, sessions, counts, holders, held by the dead, held by the heir. ARGV: session, the dead, the heir, what is held of it.
-- Returns whether there was anything.
redis.call('SREM', KEYS[5], ARGV[4])
if redis.call('SCARD', KEYS[5]) == 0 then redis.call('SREM', KEYS[4], ARGV[2]) end
local before, member = split(redis.call('HGET', KEYS[2], ARGV[1]))
local nodes, was_there, keeps = {}, false, false
for _, node in ipairs(before) do
  if node == ARGV[2] or node == '-' .. ARGV[2] then
    was_there = true
  else
    nodes[#nodes + 1] = node
    if node == ARGV[3] or node == '-' .. ARGV[3] then keeps = true end
  end
end
if not was_there then return 0 end
if not keeps then
  nodes[#nodes + 1] = '-' .. ARGV[3]
  redis.call('SADD', KEYS[4], ARGV[3])
  redis.call('SADD', KEYS[6], ARGV[4])
end
place(ARGV[1], before, nodes, member)
return 1
