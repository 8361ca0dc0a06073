-- packages/core/src/job/scripts/history-lengths.lua
-- Counts the events of jobs, whether a job's history is implied by its hash or written as a list. One script, so that a history
-- that is written between two reads is not counted as empty (J4). Changes nothing.
-- KEYS[1]   root    eco2:{p}
-- ARGV[1]   int     clock offset, milliseconds
-- ARGV[2..] uuid    job ids
-- reply     an array of int, one for each job: its events, 0 while it has only been queued | -1 there is no such job
-- cost      O(jobs)
local lengths = {}
for i = 2, #ARGV do
  local key = job_key(ARGV[i])
  local fence = redis.call("HGET", key, "now")
  local f = fence_of(fence)
  local length = f and f.implied or redis.call("LLEN", key .. ":events")
  if length == 0 and not fence and redis.call("EXISTS", key) == 0 then length = -1 end
  lengths[i - 1] = length
end
return lengths
