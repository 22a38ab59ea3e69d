{{- /* The names of all templates begin with the chart's: Helm has one set of them for a chart and its dependencies. */ -}}
{{/* A section of the values without a word in it, which is null, is an empty one. */}}
{{- define "huaweicloud-job-exporter.normal" -}}
{{- $own := dict "image" (dict "repository" "huaweicloud-job-exporter" "pullPolicy" "IfNotPresent") "serviceAccount" (dict "create" true) "web" (dict "config" "") -}}
{{- range list "image" "serviceAccount" "web" "persistence" "service" "serviceMonitor" "podMonitor" "sidecarMonitor" "prometheusRule" "dashboards" "networkPolicy" -}}
{{- if not (get $.Values .) }}{{ $_ := set $.Values . (get $own . | default dict) }}{{ end -}}
{{- end -}}
{{- $_ := set .Values "shards" (.Values.shards | default 1) -}}
{{- $_ := set .Values "terminationGracePeriodSeconds" (.Values.terminationGracePeriodSeconds | default 30) -}}
{{- end -}}

{{/* The name of everything; short enough for what Kubernetes appends to a StatefulSet's. */}}
{{- define "huaweicloud-job-exporter.fullname" -}}
{{- $name := .Values.nameOverride | default .Chart.Name -}}
{{- $release := .Release.Name | replace "." "-" -}}
{{- $whole := .Values.fullnameOverride | default (ternary $release (printf "%s-%s" $release $name) (contains $name $release)) -}}
{{- $whole = $whole | trunc 50 | trimSuffix "-" -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $whole) -}}
{{- fail (printf "fullnameOverride: %q cannot name a Service; it takes small letters, digits and dashes, and begins with a letter" $whole) -}}
{{- end -}}
{{- $whole -}}
{{- end -}}

{{- define "huaweicloud-job-exporter.namespace" -}}
{{- .Values.namespaceOverride | default .Release.Namespace -}}
{{- end -}}

{{/* The name of the Service, by which certificates are checked. */}}
{{- define "huaweicloud-job-exporter.host" -}}
{{- include "huaweicloud-job-exporter.fullname" . }}.{{ include "huaweicloud-job-exporter.namespace" . }}.svc
{{- end -}}

{{/*
The names of the Service, after those that the configuration has, by which page and JSON are reached within the cluster;
empty where a variable of the values names others, or where the chart does not know the configuration.
*/}}
{{- define "huaweicloud-job-exporter.allowedHosts" -}}
{{- $web := (fromYaml .Values.config).web -}}
{{- $names := get (ternary $web dict (kindIs "map" $web)) "allowed_hosts" | default list -}}
{{- $told := .Values.existingConfigMap -}}
{{- range .Values.extraEnv }}{{ if eq .name "EXPORTER_WEB__ALLOWED_HOSTS" }}{{ $told = .name }}{{ end }}{{ end -}}
{{- if and (kindIs "slice" $names) (not $told) -}}
{{- $host := include "huaweicloud-job-exporter.host" . -}}
{{- $own := list (include "huaweicloud-job-exporter.fullname" .) (trimSuffix ".svc" $host) $host (printf "%s.cluster.local" $host) -}}
{{- concat $names $own | uniq | join "," -}}
{{- end -}}
{{- end -}}

{{/* What never changes of a release: selectors are made of it. */}}
{{- define "huaweicloud-job-exporter.selector" -}}
app.kubernetes.io/name: {{ .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{/* What the pod of `helm test` is known by: no Service and no monitor takes it for an exporter. */}}
{{- define "huaweicloud-job-exporter.tester" -}}
app.kubernetes.io/component: test
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{/* The labels of a manifest of *root*, and *labels* of the values: these never take the place of a selector's. */}}
{{- define "huaweicloud-job-exporter.labels" -}}
{{- $root := .root -}}
{{- $own := dict "app.kubernetes.io/version" $root.Chart.AppVersion "app.kubernetes.io/managed-by" $root.Release.Service -}}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_") -}}
{{- $selector := fromYaml (include "huaweicloud-job-exporter.selector" $root) -}}
{{- merge $selector (.labels | default dict) ($root.Values.commonLabels | default dict) $own | toYaml -}}
{{- end -}}

{{/* What stands under `metadata`: the name with a *suffix*, the namespace, or another, labels and annotations. */}}
{{- define "huaweicloud-job-exporter.metadata" -}}
name: {{ include "huaweicloud-job-exporter.fullname" .root }}{{ .suffix }}
namespace: {{ .namespace | default (include "huaweicloud-job-exporter.namespace" .root) | quote }}
labels:
  {{- include "huaweicloud-job-exporter.labels" . | nindent 2 }}
{{- with .annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "huaweicloud-job-exporter.image" -}}
{{- $image := .Values.image -}}
{{- $registry := (.Values.global | default dict).imageRegistry | default $image.registry -}}
{{- $tag := $image.tag | default (ternary "" .Chart.AppVersion (not (not $image.digest))) -}}
{{- with $registry }}{{ trimSuffix "/" . }}/{{ end -}}
{{- $image.repository | default "huaweicloud-job-exporter" -}}
{{- with $tag }}:{{ . }}{{ end -}}
{{- with $image.digest }}@{{ . }}{{ end -}}
{{- end -}}

{{- define "huaweicloud-job-exporter.sharded" -}}
{{- if gt (int .Values.shards) 1 }}yes{{ end -}}
{{- end -}}

{{/* Whether a web configuration file may ask who asks: whatever the chart, the configuration or a variable names. */}}
{{- define "huaweicloud-job-exporter.guarded" -}}
{{- $web := (fromYaml .Values.config).web -}}
{{- $named := and (kindIs "map" $web) (get ($web | default dict) "config_file") -}}
{{- range .Values.extraEnv }}{{ if eq .name "EXPORTER_WEB__CONFIG_FILE" }}{{ $named = .name }}{{ end }}{{ end -}}
{{- if or (include "huaweicloud-job-exporter.webSecret" .) $named }}yes{{ end -}}
{{- end -}}

{{/* How the pods are asked, as far as the chart knows. */}}
{{- define "huaweicloud-job-exporter.scheme" -}}
{{- $told := list .Values.serviceMonitor.scheme .Values.podMonitor.scheme -}}
{{- if or .Values.web.certificates (fromYaml .Values.web.config).tls_server_config (has "https" $told) -}}
https
{{- else -}}
http
{{- end -}}
{{- end -}}

{{/* The Secret with the web configuration file; empty if there is none. */}}
{{- define "huaweicloud-job-exporter.webSecret" -}}
{{- if .Values.web.config -}}
{{- include "huaweicloud-job-exporter.fullname" . }}-web
{{- else -}}
{{- .Values.web.secretName | default "" -}}
{{- end -}}
{{- end -}}

{{/* A probe that asks for *path* every *seconds*; *probe* of the values changes what it says. */}}
{{- define "huaweicloud-job-exporter.probe" -}}
{{- $guarded := include "huaweicloud-job-exporter.guarded" .root -}}
{{- $default := dict "periodSeconds" .seconds "timeoutSeconds" 5 -}}
{{- if pick .probe "httpGet" "exec" "tcpSocket" "grpc" -}}
{{- else if $guarded -}}
{{- /* Kubelet's own request could not log in, shows no certificate, and would go on by http where TLS is turned on. */ -}}
{{- $default = dict "periodSeconds" (max .seconds 10) "timeoutSeconds" 10 -}}
{{- $_ := set $default "exec" (dict "command" (list "python" "-I" "-S" "/app/healthcheck.py" .path)) -}}
{{- else -}}
{{- $_ := set $default "httpGet" (dict "path" .path "port" "metrics") -}}
{{- end -}}
{{- merge (dict) .probe $default | toYaml -}}
{{- end -}}

{{/* How a monitor has the pods scraped. */}}
{{- define "huaweicloud-job-exporter.endpoint" -}}
port: metrics
{{- with .monitor.interval }}
interval: {{ . }}
{{- end }}
{{- with .monitor.scrapeTimeout }}
scrapeTimeout: {{ . }}
{{- end }}
honorLabels: true
{{- if eq (.monitor.scheme | default .scheme) "https" }}
scheme: https
{{- with merge (dict) (.monitor.tlsConfig | default dict) .tlsConfig }}
tlsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- range $key := list "basicAuth" "relabelings" "metricRelabelings" }}
{{- with get $.monitor $key }}
{{ $key }}:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- end -}}

{{/* A monitor of *kind* of the chart's own pods, whose endpoints are under *key*. */}}
{{- define "huaweicloud-job-exporter.monitor" -}}
apiVersion: monitoring.coreos.com/v1
kind: {{ .kind }}
metadata:
  {{- include "huaweicloud-job-exporter.metadata" (dict "root" .root "labels" .monitor.labels "annotations" .monitor.annotations "namespace" .monitor.namespace) | nindent 2 }}
spec:
  selector:
    matchLabels:
      {{- include "huaweicloud-job-exporter.selector" .root | nindent 6 }}
  {{- if .monitor.namespace }}
  namespaceSelector:
    matchNames: [{{ include "huaweicloud-job-exporter.namespace" .root | quote }}]
  {{- end }}
  {{- with .monitor.sampleLimit }}
  sampleLimit: {{ int . }}
  {{- end }}
  {{ .key }}:
    {{- /* a target is an address, which no certificate is for */}}
    {{- $tls := dict "serverName" (include "huaweicloud-job-exporter.host" .root) }}
    - {{- include "huaweicloud-job-exporter.endpoint" (dict "monitor" .monitor "scheme" (include "huaweicloud-job-exporter.scheme" .root) "tlsConfig" $tls) | nindent 6 }}
{{- end -}}

{{- define "huaweicloud-job-exporter.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "huaweicloud-job-exporter.fullname" .) -}}
{{- else -}}
{{- required "serviceAccount.name: name the one that exists, or let serviceAccount.create be true" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}
