-- In front of the scripts that tell who lives: incarnation and name of each behind what was found. Expired leases are judged elsewhere.
local function tell_living(found)
  local leases = redis.call('HGETALL', KEYS[2])
  for at = 1, #leases, 2 do
    local deadline, name = string.match(leases[at + 1], '^(%S+) %S+ (.*)$')
    if tonumber(deadline) > now then
      found[#found + 1] = leases[at]
      found[#found + 1] = name
    end
  end
  return found
end
