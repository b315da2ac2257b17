-- Who lives.
-- KEYS: ground, leases. ARGV: the youth of a ground (ms).
-- Returns whether the ground is young, then incarnation and name of each.
local found = { is_young(ARGV[1]) and '1' or '0' }
local leases = redis.call('HGETALL', KEYS[2])
for at = 1, #leases, 2 do
  local deadline, name = string.match(leases[at + 1], '^(%S+) %S+ (.*)$')
  if tonumber(deadline) > now then
    found[#found + 1] = leases[at]
    found[#found + 1] = name
  end
end
return found
