-- Who of those that hold something is gone. It is written down in the same step, so that none of them can renew its lease
-- between this and the giving away of what it held. Of a young ground nothing is said.
-- KEYS: ground, leases, gone. ARGV: the lease, the youth of a ground, how long it is known who is gone (ms), how many of those,
-- then the incarnations that hold something, which were asked for before this. Returns those of them that are gone.
if is_young(ARGV[2]) then return {} end
local latest = now + tonumber(ARGV[1])
local leases = redis.call('HGETALL', KEYS[2])
local lives = {}
for at = 1, #leases, 2 do
  local node = leases[at]
  local deadline, rest = string.match(leases[at + 1], '^(%S+)( .*)$')
  deadline = tonumber(deadline)
  if deadline <= now then
    redis.call('HDEL', KEYS[2], node)
    redis.call('ZADD', KEYS[3], whole(now), node)
  else
    lives[node] = true
    -- By another server's clock, which went before this one.
    if deadline > latest then redis.call('HSET', KEYS[2], node, whole(latest) .. rest) end
  end
end
local dead = {}
for at = 5, #ARGV do
  if not lives[ARGV[at]] then
    -- Renewed for as long as it holds something.
    redis.call('ZADD', KEYS[3], whole(now), ARGV[at])
    dead[#dead + 1] = ARGV[at]
  end
end
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', whole(now - tonumber(ARGV[3])))
redis.call('ZREMRANGEBYRANK', KEYS[3], 0, -tonumber(ARGV[4]) - 1)
redis.call('PEXPIRE', KEYS[3], ARGV[3])
return dead
