{{/* The pod, of the Deployment and of the StatefulSet. */}}
{{- define "exporter.pod" -}}
metadata:
  labels:
    {{- include "exporter.labels" . | nindent 4 }}
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- if or .Values.restartOnChange .Values.podAnnotations }}
  annotations:
    {{- if .Values.restartOnChange }}
    checksum/config: {{ .Values.config | sha256sum }}
    {{- end }}
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- end }}
spec:
  serviceAccountName: {{ include "exporter.serviceAccount" . }}
  automountServiceAccountToken: false
  # a Service named "exporter" would otherwise set EXPORTER_ variables
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    fsGroup: 65532
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile: {type: RuntimeDefault}
  {{- with .Values.image.pullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: exporter
      image: "{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}"
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      args: [run, --config, /etc/exporter/exporter.yaml]
      env:
        # the port of the probes, of the Service and of the monitors
        - {name: EXPORTER_WEB__LISTEN_ADDRESS, value: ":10926"}
        - {name: EXPORTER_SHARDING__SHARDS, value: {{ .Values.shards | quote }}}
        - {name: EXPORTER_SHARDING__SHARD, value: {{ ternary "auto" "0" (not (not (include "exporter.sharded" .))) | quote }}}
        {{- if .Values.persistence.enabled }}
        - {name: EXPORTER_JOURNAL, value: /var/lib/exporter/journal.json}
        {{- end }}
        {{- with .Values.env }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      ports:
        - {name: metrics, containerPort: 10926}
      livenessProbe:
        httpGet: {path: /-/healthy, port: metrics}
        periodSeconds: 20
        timeoutSeconds: 5
      readinessProbe:
        httpGet: {path: /-/ready, port: metrics}
        periodSeconds: 5
        timeoutSeconds: 5
      resources:
        {{- toYaml .Values.resources | nindent 8 }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: {drop: [ALL]}
      volumeMounts:
        - {name: config, mountPath: /etc/exporter, readOnly: true}
        {{- if .Values.secretName }}
        - {name: secret, mountPath: /run/secrets/huaweicloud, readOnly: true}
        {{- end }}
        {{- if .Values.jobFiles }}
        - {name: jobs, mountPath: /run/jobs, readOnly: true}
        {{- end }}
        {{- if .Values.persistence.enabled }}
        - {name: journal, mountPath: /var/lib/exporter}
        {{- end }}
        {{- with .Values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    - name: config
      configMap: {name: {{ include "exporter.fullname" . }}}
    {{- with .Values.secretName }}
    - name: secret
      secret: {secretName: {{ . }}, defaultMode: 0440}
    {{- end }}
    {{- if .Values.jobFiles }}
    - name: jobs
      configMap: {name: {{ include "exporter.fullname" . }}-jobs}
    {{- end }}
    {{- if and .Values.persistence.enabled (not (include "exporter.sharded" .)) }}
    - name: journal
      persistentVolumeClaim: {claimName: {{ include "exporter.fullname" . }}}
    {{- end }}
    {{- with .Values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* What a volume for the journal asks for. */}}
{{- define "exporter.claim" -}}
accessModes: [ReadWriteOnce]
{{- with .Values.persistence.storageClassName }}
storageClassName: {{ . }}
{{- end }}
resources:
  requests: {storage: {{ .Values.persistence.size }}}
{{- end -}}
