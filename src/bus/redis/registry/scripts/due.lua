-- Tokens whose grace is over.
-- KEYS: ground, due. ARGV: how many, the grace, the youth of a ground (ms). Returns them.
if is_young(ARGV[3]) then return {} end
local latest = whole(now + tonumber(ARGV[2]))
-- By another server's clock, which went before this one.
for _, token in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. latest, '+inf', 'LIMIT', 0, ARGV[1])) do
  redis.call('ZADD', KEYS[2], latest, token)
end
return redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', whole(now), 'LIMIT', 0, ARGV[1])
