# Submits a job to DLI, registers it with the exporter beside it, and ends as the job ends.
set -eu
job_id=$(python /opt/pipeline/dli.py submit /opt/pipeline/orders.sql)
echo "{\"service\": \"dli\", \"job_id\": \"$job_id\", \"name\": \"nightly-orders\"}" >> "${JOB_FILE:-/run/jobs/jobs.jsonl}"
python /opt/pipeline/dli.py wait "$job_id"
