#!/bin/sh
# Runs a command with an exporter of its own beside it, and ends as the command ends:
#   with-exporter.sh exporter.yaml sh pipeline.sh
# The exporter polls once more after the command, and waits for the next scrape if web.linger is set.
set -u
config=$1
shift

huaweicloud-job-exporter run --config "$config" &
exporter=$!
"$@"
code=$?
kill -TERM "$exporter"
wait "$exporter"
exit "$code"
