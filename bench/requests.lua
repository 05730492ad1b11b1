-- wrk: asks for many paths with many credentials in turn. Arguments: file of paths, file of Authorization values.
local prepared, at = {}, 0

local function lines(name)
   local found = {}
   for line in io.lines(name) do found[#found + 1] = line end
   return found
end

function init(args)
   local paths, credentials = lines(args[1]), lines(args[2])
   local accept = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json"
   for n, path in ipairs(paths) do
      local headers = { Accept = accept }
      if #credentials > 0 then headers["Authorization"] = credentials[(n - 1) % #credentials + 1] end
      prepared[n] = wrk.format("GET", path, headers)
   end
end

function request()
   at = at % #prepared + 1
   return prepared[at]
end

function done(summary, latency)
   local e = summary.errors
   io.write(string.format('\n{"requests":%d,"bytes":%.0f,"microseconds":%d,"failed":%d,"p99_us":%d}\n',
      summary.requests, summary.bytes, summary.duration, e.status + e.connect + e.read + e.write, latency:percentile(99)))
end
