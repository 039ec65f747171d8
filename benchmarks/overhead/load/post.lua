-- wrk script: POSTs the lines of the file named by BENCH_BODIES in turn, with the key in BENCH_KEY if there is one, and
-- prints what it measured as one JSON line.
local bodies, at = {}, 0
for line in io.lines(os.getenv("BENCH_BODIES")) do bodies[#bodies + 1] = line end
local key = os.getenv("BENCH_KEY")
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
if key then wrk.headers["Authorization"] = "Bearer " .. key end

local requests = {}
init = function()
  for i, body in ipairs(bodies) do requests[i] = wrk.format(nil, nil, nil, body) end
end

request = function()
  at = at % #requests + 1
  return requests[at]
end

done = function(summary, latency)
  local failed = summary.errors
  io.write(string.format('{"requests":%d,"per_second":%.1f,"p50_ms":%.4f,"failures":%d}\n',
    summary.requests, summary.requests / (summary.duration / 1e6), latency:percentile(50) / 1e3,
    failed.status + failed.connect + failed.read + failed.write + failed.timeout))
end
