{{/* Refuses values that do not fit together, each with the remedy. */}}
{{- define "huaweicloud-job-exporter.checked" -}}
{{- include "huaweicloud-job-exporter.elsewhere.checked" . -}}
{{- $_ := set .Values "config" (.Values.config | default "") -}}
{{- if and .Values.config .Values.existingConfigMap -}}
{{- fail "config is the file, and existingConfigMap names a ConfigMap that has it; give one of them" -}}
{{- end -}}
{{- if not .Values.existingConfigMap -}}
{{- $_ := required "config: give the exporter its configuration file, for example by --set-file config=exporter.yaml" .Values.config -}}
{{- end -}}
{{- $variables := dict -}}
{{- range .Values.extraEnv }}{{ $_ := set $variables .name (.value | default "") }}{{ end -}}
{{- $named := or .Values.existingConfigMap .Values.envFrom (hasKey $variables "EXPORTER_JOB_FILES") (contains "/run/jobs/" .Values.config) -}}
{{- if and .Values.jobFiles (not $named) -}}
{{- fail "jobFiles: the configuration does not name them; add job_files: [/run/jobs/*] to config" -}}
{{- end -}}
{{- if and .Values.web.certificates (not (include "huaweicloud-job-exporter.guarded" .)) (not .Values.existingConfigMap) -}}
{{- fail "web.certificates: no file names them; give web.config or web.secretName" -}}
{{- end -}}
{{- if and .Values.web.config .Values.web.secretName -}}
{{- fail "web: config is the file, and secretName names a Secret that has it; give one of them" -}}
{{- end -}}
{{- with (fromYaml .Values.config).Error -}}
{{- fail (printf "config: not valid YAML: %s; huaweicloud-job-exporter check tells the line" .) -}}
{{- end -}}
{{- include "huaweicloud-job-exporter.checked.pod" . -}}
{{- range $name := list "serviceMonitor" "podMonitor" "sidecarMonitor" -}}
{{- $monitor := get $.Values $name -}}
{{- if and $monitor.enabled $monitor.interval $monitor.scrapeTimeout -}}
{{- if gt (float64 (include "huaweicloud-job-exporter.seconds" $monitor.scrapeTimeout)) (float64 (include "huaweicloud-job-exporter.seconds" $monitor.interval)) -}}
{{- fail (printf "%s.scrapeTimeout: %s is longer than the interval, %s; the operator would leave the monitor out" $name $monitor.scrapeTimeout $monitor.interval) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with (fromYaml .Values.web.config).Error -}}
{{- fail (printf "web.config: not valid YAML: %s" .) -}}
{{- end -}}
{{- range .Values.extraArgs -}}
{{- if regexMatch "^(-c|--config|--web\\.(listen-address|config\\.file|systemd-socket))(=|$)" . -}}
{{- fail (printf "extraArgs: %s is set by the chart, which knows what the pod, its ports and its probes need; see the values config and web" .) -}}
{{- end -}}
{{- end -}}
{{- $web := (fromYaml .Values.config).web -}}
{{- $linger := get $variables "EXPORTER_WEB__LINGER" | default (get (ternary $web dict (kindIs "map" $web)) "linger") | toString -}}
{{- $push := (fromYaml .Values.config).push -}}
{{- $push = ternary $push dict (kindIs "map" $push) -}}
{{- $pushed := or (get $push "pushgateway") (get $push "otlp") (hasKey $variables "EXPORTER_PUSH__PUSHGATEWAY") (hasKey $variables "EXPORTER_PUSH__OTLP") -}}
{{- $timeout := ternary (get $variables "EXPORTER_PUSH__TIMEOUT" | default (get $push "timeout") | default "5s" | toString) "0s" (not (empty $pushed)) -}}
{{- $seconds := addf (float64 (include "huaweicloud-job-exporter.seconds" $linger)) (float64 (include "huaweicloud-job-exporter.seconds" $timeout)) -}}
{{- if ge $seconds (float64 .Values.terminationGracePeriodSeconds) -}}
{{- $what := ternary (printf "web.linger, %s, and push.timeout, %s, together" $linger $timeout) (printf "web.linger, %s" $linger) (not (empty $pushed)) -}}
{{- fail (printf "terminationGracePeriodSeconds: %d s are not longer than %s; give more, or the pod is killed before it ends" (int .Values.terminationGracePeriodSeconds) $what) -}}
{{- end -}}
{{- end -}}

{{/* Refuses names of the pod's parts that are there twice, or that nothing has. */}}
{{- define "huaweicloud-job-exporter.checked.pod" -}}
{{- $names := list -}}
{{- range .Values.extraEnv -}}
{{- $names = append $names .name -}}
{{- if and (hasKey . "value") (hasKey . "valueFrom") -}}
{{- fail (printf "extraEnv: %s has a value and a valueFrom; give one of them" .name) -}}
{{- end -}}
{{- end -}}
{{- include "huaweicloud-job-exporter.checked.once" (dict "names" $names "value" "extraEnv" "what" "variable") -}}
{{- $names = list "exporter" -}}
{{- range concat (.Values.initContainers | default list) (.Values.extraContainers | default list) }}{{ $names = append $names .name }}{{ end -}}
{{- include "huaweicloud-job-exporter.checked.once" (dict "names" $names "value" "initContainers and extraContainers" "what" "container") -}}
{{- $volumes := fromYamlArray (include "huaweicloud-job-exporter.volumes" .) -}}
{{- $names = list -}}
{{- range $volumes }}{{ $names = append $names .name }}{{ end -}}
{{- if .Values.persistence.enabled }}{{ $names = append $names "journal" | uniq }}{{ end -}}
{{- include "huaweicloud-job-exporter.checked.once" (dict "names" $names "value" "extraVolumes" "what" "volume") -}}
{{- $paths := list -}}
{{- range fromYamlArray (include "huaweicloud-job-exporter.mounts" .) -}}
{{- $paths = append $paths .mountPath -}}
{{- if not (has .name $names) -}}
{{- fail (printf "extraVolumeMounts: there is no volume called %q; add it to extraVolumes" .name) -}}
{{- end -}}
{{- end -}}
{{- include "huaweicloud-job-exporter.checked.once" (dict "names" $paths "value" "extraVolumeMounts" "what" "mount at") -}}
{{- end -}}

{{- define "huaweicloud-job-exporter.checked.once" -}}
{{- $seen := dict -}}
{{- range .names -}}
{{- if hasKey $seen . -}}
{{- fail (printf "%s: the %s %q is there twice, perhaps by the chart itself; give it another name" $.value $.what .) -}}
{{- end -}}
{{- $_ := set $seen . true -}}
{{- end -}}
{{- end -}}

{{/* The seconds of a duration such as 1m30s. */}}
{{- define "huaweicloud-job-exporter.seconds" -}}
{{- $seconds := 0.0 -}}
{{- range regexFindAll "[0-9.]+(ms|s|m|h|d|w|y)" . -1 -}}
{{- $unit := get (dict "ms" 0.001 "s" 1 "m" 60 "h" 3600 "d" 86400 "w" 604800 "y" 31536000) (regexFind "[a-z]+" .) -}}
{{- $seconds = addf $seconds (mulf (float64 (regexFind "[0-9.]+" .)) $unit) -}}
{{- end -}}
{{- $seconds -}}
{{- end -}}
