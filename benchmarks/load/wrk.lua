-- Sends the beats of a file, each with a number of its own: as fast as they are answered, or so
-- many a second. Called with: FILE FIRST-NUMBER [RATE].

local ffi = require("ffi")
ffi.cdef("typedef struct { long seconds, nanoseconds; } moment; int clock_gettime(int, moment *);")
local THREADS = 2

local places = 0

function setup(thread)
  thread:set("place", places)
  places = places + 1
end

local HEAD = table.concat({
  "POST %s HTTP/1.1",
  "Host: %s",
  "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
  "Accept: */*",
  "Accept-Language: en-GB,en;q=0.5",
  "Accept-Encoding: gzip, deflate, br, zstd",
  "Referer: http://%s/course/7/lesson",
  "Content-Type: application/x-www-form-urlencoded",
  "Content-Length: %d",
  "Origin: http://%s",
  "Connection: keep-alive",
  "Cookie: sessionid=%032x",
  "Sec-Fetch-Dest: empty",
  "Sec-Fetch-Mode: cors",
  "Sec-Fetch-Site: same-origin",
  "Priority: u=4",
}, "\r\n") .. "\r\n\r\n%s"

local before, after = {}, {}
local at, number = 0, 0

-- Each thread has beats of its own: one number is never sent twice.
function init(args)
  local host = wrk.host .. ":" .. wrk.port
  local reader = 0
  number = 1000000 + tonumber(args[2])   -- all numbers are of one length
  for line in io.lines(args[1]) do
    if reader % THREADS == place then
      local front, back = line:match("^([^\t]*)\t(.*)$")
      local length = #front + #tostring(number) + #back
      before[#before + 1] = HEAD:format(wrk.path, host, host, length, host, reader, front)
      after[#after + 1] = back
    end
    reader = reader + 1
  end
  if args[3] then keep_to(tonumber(args[3]) / THREADS) end
end

-- A delay is whole milliseconds: what one rounds away the next makes good.
function keep_to(rate)
  local clock = ffi.new("moment")
  local planned
  function delay()
    ffi.C.clock_gettime(1, clock)
    local now = tonumber(clock.seconds) * 1000 + tonumber(clock.nanoseconds) / 1e6
    planned = (planned or now) + 1000 / rate
    return math.max(0, math.floor(planned - now))
  end
end

function request()
  at = at + 1
  if at > #before then at, number = 1, number + 1 end
  return before[at] .. ("%d"):format(number) .. after[at]
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(("RESULT %d %d %d %d\n"):format(
    summary.requests, summary.duration, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout))
end
