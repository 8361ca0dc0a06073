-- packages/core/src/job/scripts/scrub-lanes.lua
-- Counts a user's admitted jobs anew and lets the lane's next jobs in, where a lane stands still (J1): the count in
-- {p}:running is wrong (lost, or left by a job that is gone), or nobody is left to let them in. One script, so that no job of the
-- user's moves while it is put right.
-- A job of the user's is admitted only by leaving its lane at the head: while the same job stands next, the user's admitted jobs
-- become no more. So three calls count exactly, however many jobs there are: "still" tells which lanes stand; "admitted", sent for
-- all jobs after it, which jobs of those users are admitted; "recount" changes something only while the same job is still at the
-- head, and counts those of the jobs found that are still open.
-- KEYS[1]   root    eco2:{p}
-- ARGV[1]   int     clock offset, milliseconds
-- ARGV[2]   int     USER_CONCURRENCY
-- ARGV[3]   text    "still" | "admitted" | "recount"
-- ARGV[4..] still: two for each lane: uuid of the job at its head, that job's fence
--           admitted: number of owners, each owner, uuid of each job
--           recount: uuid of the job at the head, its fence, uuid of each job found by "admitted"
-- reply     still: the uuids that are still at the head · admitted: owner and uuid of each admitted job · recount: {"moved"} |
--           {"right"} | {"recounted", the count before, the count now, the head's stage}
-- cost      O(jobs given), and O(length of the lane) for each lane given; recount admits at most 16 jobs
local limit, mode = tonumber(ARGV[2]), ARGV[3]

-- The fence of the job, if it is this one and the job is at the head of its lane.
local function standing(id, text)
  if redis.call("HGET", job_key(id), "now") ~= text then return nil end
  local f = fence_of(text)
  local place = f and f.state == "lane" and redis.call("LPOS", lane_key(f.owner), id)
  return place and is_next(f.owner, place) and f or nil
end

if mode == "still" then
  local reply = {}
  for i = 4, #ARGV, 2 do
    if standing(ARGV[i], ARGV[i + 1]) then reply[#reply + 1] = ARGV[i] end
  end
  return reply
end

if mode == "admitted" then
  local wanted, last = {}, 4 + tonumber(ARGV[4])
  for i = 5, last do wanted[ARGV[i]] = true end
  local reply = {}
  for i = last + 1, #ARGV do
    local f = read_fence(ARGV[i])
    if f and f.admitted == "1" and wanted[f.owner] and not is_over(f.state) then
      reply[#reply + 1] = f.owner
      reply[#reply + 1] = ARGV[i]
    end
  end
  return reply
end

pass_when_full()
local f = standing(ARGV[4], ARGV[5])
if not f then return { "moved" } end
local counted = 0
for i = 6, #ARGV do
  local other = read_fence(ARGV[i])
  if other and other.admitted == "1" and other.owner == f.owner and not is_over(other.state) then counted = counted + 1 end
end
local before = tonumber(redis.call("HGET", running_key, f.owner) or 0) or 0
if before == counted and counted > 0 then return { "right" } end -- the next of them that ends lets the lane in
redis.call("HSET", running_key, f.owner, int(counted))
count(f.owner, 0) -- no field for none
-- no more than the fleet had admitted: whoever sends this may have another USER_CONCURRENCY; the jobs' ends let in the rest
local most = math.max(1, before)
admit(f.owner, limit > 0 and math.min(limit, most) or most, counted)
return answer({ "recounted", int(before), int(counted), f.at })
