-- wrk script: POSTs the file named by BENCH_BODY and prints what it measured as one JSON line.
local file = assert(io.open(os.getenv("BENCH_BODY"), "rb"))
wrk.method = "POST"
wrk.body = file:read("*a")
wrk.headers["Content-Type"] = "application/json"
file:close()

done = function(summary, latency)
  local failed = summary.errors
  io.write(string.format('{"requests":%d,"per_second":%.1f,"p50_ms":%.4f,"failures":%d}\n',
    summary.requests, summary.requests / (summary.duration / 1e6), latency:percentile(50) / 1e3,
    failed.status + failed.connect + failed.read + failed.write + failed.timeout))
end
