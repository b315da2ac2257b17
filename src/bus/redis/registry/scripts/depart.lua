-- A node ends by itself: its lease does with it.
-- KEYS: ground, leases. ARGV: the node's incarnation. Returns how many leases that were.
return redis.call('HDEL', KEYS[2], ARGV[1])
