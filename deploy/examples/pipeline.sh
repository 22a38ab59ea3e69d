#!/bin/sh
# Submits a SQL job to DLI, registers it with an exporter by a job file, and ends as the job ends: for cron, for a Shell
# node of DataArts Factory, or for any host. Needs curl. These variables say what, where and as whom:
#   IAM_URL, DLI_URL, PROJECT_ID, DOMAIN, IAM_USER, PASSWORD_FILE
#   SQL_FILE  the statement
#   JOB_NAME  the label `job`
#   JOB_FILE  a file that the exporter watches; only this job writes it
set -eu

# Prints a file as the inside of a JSON string.
quoted() {
	sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/	/\\t/g' "$1" | tr -d '\r' | awk 'NR > 1 {printf "\\n"} {printf "%s", $0}'
}

# Prints a text field of the JSON in its input.
field() {
	tr -d '\n' | sed -n "s/.*\"$1\" *: *\"\([^\"]*\)\".*/\1/p"
}

login() {
	printf '{"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": "%s", "password": "%s",
		"domain": {"name": "%s"}}}}, "scope": {"project": {"id": "%s"}}}}' \
		"$IAM_USER" "$(quoted "$PASSWORD_FILE")" "$DOMAIN" "$PROJECT_ID" |
		curl --silent --show-error --fail --max-time 30 --header "Content-Type: application/json" --data-binary @- \
			--dump-header - --output /dev/null "$IAM_URL/v3/auth/tokens?nocatalog=true" |
		sed -n 's/^[Xx]-[Ss]ubject-[Tt]oken: *\([^[:space:]]*\).*/\1/p'
}

# Calls DLI; the token is not among the arguments, which other users of the host can see.
dli() {
	printf 'header = "X-Auth-Token: %s"\n' "$token" |
		curl --silent --show-error --fail --max-time 30 --header "Content-Type: application/json" --config - "$@"
}

jobs="$DLI_URL/v1.0/$PROJECT_ID/jobs"
token=$(login)
job_id=$(dli --data-binary "{\"sql\": \"$(quoted "$SQL_FILE")\"}" "$jobs/submit-job" | field job_id)
[ -n "$job_id" ] || { echo "DLI did not accept the job" >&2; exit 1; }

# The exporter sees the whole line or none.
printf '{"service": "dli", "job_id": "%s", "name": "%s"}\n' "$job_id" "$JOB_NAME" > "$JOB_FILE.new"
mv "$JOB_FILE.new" "$JOB_FILE"

while :; do
	if answer=$(dli "$jobs/$job_id/status"); then
		case $(printf %s "$answer" | field status) in
		FINISHED) exit 0 ;;
		FAILED | CANCELLED)
			printf '%s\n' "$answer" >&2
			exit 1
			;;
		esac
	else
		token=$(login) || true    # it may have expired
	fi
	sleep "${EVERY:-5}"
done
