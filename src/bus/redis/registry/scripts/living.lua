-- Who lives.
-- KEYS: ground, leases. ARGV: the youth of a ground (ms).
-- Returns whether the ground is young, then incarnation and name of each.
return tell_living({ is_young(ARGV[1]) and '1' or '0' })
