"""What the longer of the exporter's own metrics say of themselves."""

BUDGET = (
    "Calls a second that a limit class may make now: as configured, divided by the shards; less for a time after the"
    " cloud refused calls as too many"
)
STRETCH = (
    "Factor by which intervals are longer than configured, because the calls would not fit the budget; 1 if they do"
)
EXPIRY = (
    "Unix time in seconds when the token or temporary key in use expires, as the cloud told it; absent where nobody"
    " said, and before the first is fetched"
)
JOURNAL = (
    "Unix time in seconds when the journal was last written; only what is new is written; absent before, and without a"
    " journal"
)
WEB_CONFIG = (
    "1 if web.config_file and the files that it names are in force as they are now, 0 if they were refused and the last"
    " good ones stay; absent without web.config_file"
)
WEB_TAKEN = "Unix time in seconds when the web configuration in force was taken over; absent without web.config_file"
LINGER = (
    "web.linger in seconds: how long it may serve after a signal to stop; above 0 for an exporter that stops with the"
    " job that it runs beside"
)
PAGE = "Always 1; url is web.external_url, where people reach the page: for links in alerts; absent without it"
REDUCED = (
    "Jobs of which only up and info are on /metrics now, because there are more series than metrics.max_series allows"
)
HISTORY = "Bytes that the past of all jobs takes, as page and JSON tell it; web.history is the most"
JOURNAL_TOOK = (
    "Seconds that the last write of the journal took, or the one under way has taken so far; counters of runs show only"
    " what is written, so they stand still for as long; absent before, and without a journal"
)
CLOSED = (
    "Connections that the exporter closed on clients: limit, there were more than web.max_connections, or three"
    " quarters of that busy; slow_request, no whole head of a request came in 10 s; slow_reader, nothing of an answer"
    " was read for 30 s, or too little while memory was short; descriptors, there were no open files left"
)
CLUSTER_AVAILABLE = (
    "1 if a cluster that jobs run on works, 0 if it does not, by the list that is read for its jobs; absent where the"
    " cloud tells none of the words that are documented, or no list told of it lately"
)
CLUSTER_INFO = (
    "Always 1; the state of a cluster in the service's own word, or other for one that is not documented, and what the"
    " word means"
)
SKIPPED = (
    "Polls that were due and not made: slow, because its last poll took longer than its interval; busy, because no"
    " worker or budget was free; paused, because the cloud refused the credentials; off, because the cluster of the job"
    " is off"
)
