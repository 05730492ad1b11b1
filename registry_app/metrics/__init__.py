"""What the service counts and tells about itself, for Prometheus.

`definitions` is the one table of metrics; `recording` counts in each worker; `sharing` joins the workers' counts;
`observation` reads at each scrape what needs no counting; `exposition` writes it all out. Knows no HTTP and no store.
"""
