-- wrk: the requests of one load, and what became of them as one line of JSON.
-- wrk ... -s load.lua URL -- TOKEN [SERIES HOSTS]; with a series it POSTs reports, each a different one.
local number = 0
function setup(thread) thread:set("number", number); number = number + 1 end

function init(words)
    wrk.headers["X-Auth-Token"] = words[1]
    wrk.headers["OpenStack-API-Version"] = "instance-ha 1.3"
    series, hosts, sent = words[2], tonumber(words[3]), 0
    if series then
        wrk.method = "POST"
        wrk.headers["Content-Type"] = "application/json"
        request = report
    end
end

local body = '{"notification": {"type": "PROCESS", "hostname": "bench%02d", ' ..
    '"generated_time": "2026-01-01T00:00:00", ' ..
    '"payload": {"event": "STARTED", "process_name": "%s-%d-%d"}}}'
function report()
    sent = sent + 1
    return wrk.format(nil, nil, nil, body:format(sent % hosts, series, number, sent))
end

function done(summary, latency)
    local e = summary.errors
    io.write(('\nRESULT {"rate": %.1f, "p50_ms": %.2f, "p99_ms": %.2f, "max_ms": %.2f, ' ..
        '"answered": %d, "refused": %d, "broken": %d, "bytes": %d}\n'):format(
        1e6 * summary.requests / summary.duration, latency:percentile(50) / 1000,
        latency:percentile(99) / 1000, latency.max / 1000, summary.requests, e.status,
        e.connect + e.read + e.write + e.timeout, summary.bytes))
end
