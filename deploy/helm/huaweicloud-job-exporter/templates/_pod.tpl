{{/* The pod, of the Deployment and of the StatefulSet. */}}
{{- define "huaweicloud-job-exporter.pod" -}}
metadata:
  labels:
    {{- include "huaweicloud-job-exporter.labels" (dict "root" . "labels" .Values.podLabels) | nindent 4 }}
  {{- $annotations := .Values.podAnnotations | default dict }}
  {{- if .Values.restartOnChange }}
  {{- $annotations = merge (dict "checksum/config" (sha256sum .Values.config)) $annotations }}
  {{- end }}
  {{- with $annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ include "huaweicloud-job-exporter.serviceAccount" . | quote }}
  automountServiceAccountToken: false
  # a Service named "exporter" would otherwise set EXPORTER_ variables
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
  securityContext:
    {{- toYaml .Values.podSecurityContext | nindent 4 }}
  {{- with concat (.Values.image.pullSecrets | default list) ((.Values.global | default dict).imagePullSecrets | default list) }}
  imagePullSecrets:
    {{- range . }}
    - {{ kindIs "string" . | ternary (dict "name" .) . | toJson }}
    {{- end }}
  {{- end }}
  {{- range $key := list "priorityClassName" "runtimeClassName" "schedulerName" "dnsPolicy" }}
  {{- with get $.Values $key }}
  {{ $key }}: {{ . | quote }}
  {{- end }}
  {{- end }}
  {{- range $key := list "hostAliases" "dnsConfig" "nodeSelector" "tolerations" "affinity" "topologySpreadConstraints" "initContainers" }}
  {{- with get $.Values $key }}
  {{ $key }}:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
  containers:
    - name: exporter
      image: {{ include "huaweicloud-job-exporter.image" . | quote }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args:
        {{- concat (list "run" "--config" "/etc/exporter/exporter.yaml") (.Values.extraArgs | default list) | toYaml | nindent 8 }}
      env:
        {{- include "huaweicloud-job-exporter.env" . | nindent 8 }}
      {{- with .Values.envFrom }}
      envFrom:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      ports:
        - {name: metrics, containerPort: 10926}
      {{- range $key, $probe := dict "liveness" (list "/-/healthy" 20) "readiness" (list "/-/ready" 5) "startup" (list "/-/healthy" 2) }}
      {{- $given := get $.Values (printf "%sProbe" $key) }}
      {{- if and (kindIs "map" $given) (or $given (ne $key "startup")) }}
      {{ $key }}Probe:
        {{- include "huaweicloud-job-exporter.probe" (dict "root" $ "probe" $given "path" (first $probe) "seconds" (last $probe)) | nindent 8 }}
      {{- end }}
      {{- end }}
      {{- with .Values.lifecycle }}
      lifecycle:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .Values.resources }}
      resources:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      securityContext:
        {{- toYaml .Values.securityContext | nindent 8 }}
      volumeMounts:
        {{- include "huaweicloud-job-exporter.mounts" . | nindent 8 }}
    {{- with .Values.extraContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumes:
    {{- include "huaweicloud-job-exporter.volumes" . | nindent 4 }}
{{- end -}}

{{/* The variables: those that the chart sets, which nobody else may, and those of the values. */}}
{{- define "huaweicloud-job-exporter.env" -}}
{{- $own := dict "EXPORTER_WEB__LISTEN_ADDRESS" ":10926" "EXPORTER_SHARDING__SHARDS" (toString .Values.shards) -}}
{{- $_ := set $own "EXPORTER_SHARDING__SHARD" (ternary "auto" "0" (not (not (include "huaweicloud-job-exporter.sharded" .)))) -}}
{{- if .Values.persistence.enabled }}{{ $_ := set $own "EXPORTER_JOURNAL" "/var/lib/exporter/journal.json" }}{{ end -}}
{{- if include "huaweicloud-job-exporter.webSecret" . }}{{ $_ := set $own "EXPORTER_WEB__CONFIG_FILE" "/run/web/web.yml" }}{{ end -}}
{{- with include "huaweicloud-job-exporter.allowedHosts" . }}{{ $_ := set $own "EXPORTER_WEB__ALLOWED_HOSTS" . }}{{ end -}}
{{- range .Values.extraEnv -}}
{{- if or (hasKey $own .name) (eq .name "EXPORTER_CONFIG") -}}
{{- fail (printf "extraEnv: %s is set by the chart, which knows what the pod, its ports and its probes need; see the values config, shards, persistence and web" .name) -}}
{{- end -}}
{{- end -}}
{{- range $name, $value := $own }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "huaweicloud-job-exporter.mounts" -}}
- {name: config, mountPath: /etc/exporter, readOnly: true}
{{- if .Values.secretName }}
- {name: secret, mountPath: /run/secrets/huaweicloud, readOnly: true}
{{- end }}
{{- if .Values.jobFiles }}
- {name: jobs, mountPath: /run/jobs, readOnly: true}
{{- end }}
{{- if include "huaweicloud-job-exporter.webSecret" . }}
- {name: web, mountPath: /run/web, readOnly: true}
{{- end }}
{{- range $folder, $secret := .Values.web.certificates }}
- {name: certificates-{{ $folder }}, mountPath: /run/certificates/{{ $folder }}, readOnly: true}
{{- end }}
{{- if .Values.persistence.enabled }}
- {name: journal, mountPath: /var/lib/exporter}
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "huaweicloud-job-exporter.volumes" -}}
- name: config
  configMap: {name: {{ .Values.existingConfigMap | default (include "huaweicloud-job-exporter.fullname" .) | quote }}}
{{- with .Values.secretName }}
- name: secret
  secret: {secretName: {{ . | quote }}, defaultMode: 0440}
{{- end }}
{{- if .Values.jobFiles }}
- name: jobs
  configMap: {name: {{ include "huaweicloud-job-exporter.fullname" . }}-jobs}
{{- end }}
{{- with include "huaweicloud-job-exporter.webSecret" . }}
- name: web
  secret: {secretName: {{ . | quote }}, defaultMode: 0440}
{{- end }}
{{- range $folder, $secret := .Values.web.certificates }}
- name: certificates-{{ $folder }}
  secret: {secretName: {{ $secret | quote }}, defaultMode: 0440}
{{- end }}
{{- if and .Values.persistence.enabled (not (include "huaweicloud-job-exporter.sharded" .)) }}
- name: journal
  persistentVolumeClaim: {claimName: {{ .Values.persistence.existingClaim | default (include "huaweicloud-job-exporter.fullname" .) | quote }}}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* What a volume for the journal asks for; "-" is no class at all, for volumes that somebody made by hand. */}}
{{- define "huaweicloud-job-exporter.claim" -}}
accessModes: [ReadWriteOnce]
{{- with .Values.persistence.storageClassName }}
storageClassName: {{ eq . "-" | ternary "" . | quote }}
{{- end }}
resources:
  requests: {storage: {{ .Values.persistence.size | default "1Gi" }}}
{{- end -}}
