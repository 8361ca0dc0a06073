-- packages/core/src/job/scripts/emit-partial.lua
-- Stores the text that running stages have written so far, and tells the viewers what was added. It writes only for jobs that
-- somebody watches. One script, so that no attempt writes after another has begun. Not part of the history: a commit supersedes it.
-- KEYS[1]   root    eco2:{p}
-- ARGV[1]   int     clock offset, milliseconds
-- ARGV[2..] six for each job: id, token of the attempt's begin, order (higher for a text begun later), stage and attempt as words,
--           text so far, and what was added since the last call, json: the members `stage`, `attempt`, `offset` and `text`
-- reply     an array, one answer for each job: "sent" | "unwatched" nothing was written | "over" the attempt does not hold the job
-- cost      O(bytes); two reads for a job that nobody watches, a write more for one that is watched, one entry for all
local stream, kept_millis = root .. ":partials", 60000
local answers, told = {}, {}
for i = 2, #ARGV, 6 do
  local id, token, order, words, text, added = unpack(ARGV, i, i + 5)
  local f = read_fence(id)
  if not f or f.by ~= token then
    answers[#answers + 1] = "over"
  elseif redis.call("EXISTS", job_key(id) .. ":watched") == 0 then
    answers[#answers + 1] = "unwatched"
  else
    redis.call("SET", job_key(id) .. ":partial", order .. " " .. words .. " " .. text, "PX", kept_millis)
    told[#told + 1] = id .. " " .. order .. ' {"ts":' .. string.sub(now_text, 1, -4) .. "." .. string.sub(now_text, -3) ..
      ',"progress":' .. f.progress .. "," .. added .. "}"
    answers[#answers + 1] = "sent"
  end
end
if #told > 0 then
  redis.call("XADD", stream, "MINID", "~", int(real_now - 10000), "*", "d", table.concat(told, "\n"))
  redis.call("PEXPIRE", stream, kept_millis)
end
return answers
