"""The longer help texts of the exporter's own metrics."""

BUDGET = (
    "Calls a second that a limit class may make now: the configured rate divided by the number of shards; lower for a"
    " time after the cloud refused calls as too many (429)"
)
STRETCH = (
    "Factor by which intervals are longer than configured, because the calls would exceed the limit; 1 if they do not"
)
EXPIRY = (
    "Unix time in seconds when the token or temporary key in use expires, as reported by the API; absent if it was"
    " not reported, and before the first one is fetched"
)
JOURNAL = (
    "Unix time in seconds when the journal was last written, which happens only if something changed; absent before"
    " the first write, and without a journal"
)
WEB_CONFIG = (
    "1 if the current content of web.config_file and of the files that it names is in force, 0 if it was refused and"
    " the last valid content stays in force; absent without web.config_file"
)
WEB_TAKEN = "Unix time in seconds when the web configuration in force was loaded; absent without web.config_file"
LINGER = (
    "web.linger in seconds: how long the exporter may keep serving after a signal to stop; above 0 for a sidecar,"
    " which stops together with its job"
)
PAGE = "Always 1; url is web.external_url, the address of the page, for links in alerts; absent if it is not set"
REDUCED = "Jobs that have only up and info on /metrics now, because there are more series than metrics.max_series"
HISTORY = "Memory in bytes for the past of all jobs that page and JSON show; limited by web.history"
JOURNAL_TOOK = (
    "Seconds that the last write of the journal took, or that the current one has taken so far; counters of runs show"
    " only written values, so they do not change during a write; absent before the first write, and without a journal"
)
CLOSED = (
    "Client connections that the exporter closed, by reason: limit, there were more than web.max_connections, or"
    " three quarters of that number were busy; slow_request, the head of a request was not complete within 10 s;"
    " slow_reader, the client read nothing of a response for 30 s, or too little while memory was short; descriptors,"
    " no file descriptor was left"
)
CLUSTER_AVAILABLE = (
    "1 if a cluster is available, 0 if it is not, according to the last list of clusters; absent if the list has no"
    " documented status for the cluster, or was not read recently"
)
CLUSTER_INFO = (
    "Always 1; native_state is the status of a cluster as the vendor writes it, or other for an undocumented one, and"
    " meaning is what it means"
)
SKIPPED = (
    "Polls that were due but not made, by reason: slow, the job's last poll took longer than its interval; busy, no"
    " worker or permit was free; paused, the cloud refused the credentials; off, the job's cluster is switched off"
)
