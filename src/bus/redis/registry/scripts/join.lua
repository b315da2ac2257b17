-- A session is in a channel, on that node. It may say so again, also to be shown otherwise.
-- KEYS: ground, sessions, counts, holders, held. ARGV: session, node, member, what the node holds of it, the most that a node may
-- hold here, then who lives. Returns what came of it, and how many sessions are there.
local before = split(redis.call('HGET', KEYS[2], ARGV[1]))
local nodes = { ARGV[2] }
for _, node in ipairs(before) do
  -- The place that it kept for one that is gone is its own now.
  if node ~= ARGV[2] and node ~= '-' .. ARGV[2] then nodes[#nodes + 1] = node end
end
if redis.call('SISMEMBER', KEYS[5], ARGV[4]) == 0 and redis.call('SCARD', KEYS[5]) >= tonumber(ARGV[5]) then
  return { 'full', whole(present(6)) }
end
redis.call('SADD', KEYS[4], ARGV[2])
redis.call('SADD', KEYS[5], ARGV[4])
place(ARGV[1], before, nodes, ARGV[3])
return { #before == 0 and 'news' or 'known', whole(present(6)) }
