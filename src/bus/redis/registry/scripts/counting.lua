-- In front of the scripts of presence. A channel's sessions (KEYS[2]) have the nodes where they are, then the member; how many
-- have the same nodes is counted (KEYS[3]), so that it takes no longer with many sessions to leave out those of dead nodes.
local function split(entry)
  if not entry then return {}, '' end
  local holders, member = string.match(entry, '^(%S*) (.*)$')
  local nodes = {}
  for node in string.gmatch(holders, '[^,]+') do nodes[#nodes + 1] = node end
  return nodes, member
end
-- A session has these nodes from now on; with none it is there no more.
local function place(session, before, nodes, member)
  if #before > 0 then
    local old = table.concat(before, ',')
    if redis.call('HINCRBY', KEYS[3], old, -1) <= 0 then redis.call('HDEL', KEYS[3], old) end
  end
  if #nodes == 0 then
    redis.call('HDEL', KEYS[2], session)
    return
  end
  table.sort(nodes)
  local holders = table.concat(nodes, ',')
  redis.call('HINCRBY', KEYS[3], holders, 1)
  redis.call('HSET', KEYS[2], session, holders .. ' ' .. member)
end
-- How many sessions have a node that lives; those are named from ARGV[first] on, and if none is named, all do. A node with a dash
-- in front only keeps the session's place.
local function present(first)
  local lives = {}
  for at = first, #ARGV do lives[ARGV[at]] = true end
  local count = 0
  local counted = redis.call('HGETALL', KEYS[3])
  for at = 1, #counted, 2 do
    for node in string.gmatch(counted[at], '[^,]+') do
      if lives[node] or (not ARGV[first] and string.sub(node, 1, 1) ~= '-') then
        count = count + tonumber(counted[at + 1])
        break
      end
    end
  end
  return count
end
