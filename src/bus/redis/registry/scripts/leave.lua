-- A session is in a channel no more, on that node; or, with a dash in front of it, the node keeps no place for it any more.
-- KEYS: ground, sessions, counts, holders, held. ARGV: session, node, the node without a dash, what it holds of it, then who lives.
-- Returns what came of it, and how many sessions are there.
local before, member = split(redis.call('HGET', KEYS[2], ARGV[1]))
local nodes, holds = {}, false
for _, node in ipairs(before) do
  if node ~= ARGV[2] and node ~= '-' .. ARGV[2] then
    nodes[#nodes + 1] = node
    holds = holds or node == ARGV[3]
  end
end
if not holds then
  redis.call('SREM', KEYS[5], ARGV[4])
  if redis.call('SCARD', KEYS[5]) == 0 then redis.call('SREM', KEYS[4], ARGV[3]) end
end
if #nodes < #before then place(ARGV[1], before, nodes, member) end
return { #before > 0 and #nodes == 0 and 'news' or 'known', whole(present(5)) }
