{{/*
What charts of other exporters call it, and what to set here instead; values.schema.json lets these names through.
*/}}
{{- define "huaweicloud-job-exporter.elsewhere" -}}
additionalLabels: commonLabels
args: extraArgs
automountServiceAccountToken: nothing, because the exporter does not call Kubernetes
autoscaling: shards; jobs are divided by a fixed number of pods
command: extraArgs; the image has its command
commonAnnotations: annotations; pods, Service, volume and monitors have their own
configExistingSecretName: existingConfigMap, and secretName for the credentials
configMap: existingConfigMap
containerPort: nothing, because it is 10926
containerSecurityContext: securityContext
containers: extraContainers
customLabels: commonLabels
dashboard: dashboards
deploymentAnnotations: annotations
deploymentStrategy: nothing, because two pods at a time would double the calls to the cloud
env: extraEnv
existingSecret: secretName
extraConfigmapMounts: extraVolumes and extraVolumeMounts
extraDeploy: extraManifests
extraEnvFrom: envFrom
extraEnvFromSecret: envFrom
extraEnvVars: extraEnv
extraInitContainers: initContainers
extraLabels: commonLabels
extraObjects: extraManifests
extraSecretMounts: extraVolumes and extraVolumeMounts
grafana: dashboards
hostNetwork: nothing, because the restricted standard forbids it
hostPort: nothing, because the restricted standard forbids it
imagePullSecrets: image.pullSecrets or global.imagePullSecrets
ingress: extraManifests, with an Ingress to the Service
labels: commonLabels
namespace: namespaceOverride
persistence.accessMode: nothing, because one pod writes to a volume
persistence.accessModes: nothing, because one pod writes to a volume
persistence.storageClass: persistence.storageClassName
pod: podLabels
podDisruptionBudget: nothing, because shards have one and one replica must not have one
podMonitor.additionalLabels: podMonitor.labels
podMonitor.honorLabels: nothing, because it is always true
podMonitor.jobLabel: podMonitor.relabelings
podMonitor.metricRelabelConfigs: podMonitor.metricRelabelings
podMonitor.path: nothing, because it is always /metrics
podMonitor.podTargetLabels: podMonitor.relabelings
podMonitor.relabelConfigs: podMonitor.relabelings
podMonitor.timeout: podMonitor.scrapeTimeout
prometheus: serviceMonitor or podMonitor
prometheusRule.additionalLabels: prometheusRule.labels, or prometheusRule.alertLabels for the alerts
prometheusRule.periods: config, with promises of the jobs
prometheusRule.rules: extraManifests, with a PrometheusRule of your own
rbac: nothing, because the exporter does not call Kubernetes
replicaCount: shards; more than one replica of each would double the calls to the cloud
replicas: shards; more than one replica of each would double the calls to the cloud
secret: secretName
service.enabled: nothing, because there is always a Service
service.name: nothing, because the port is called metrics
service.port: nothing, because it is 10926
service.targetPort: nothing, because it is 10926
service.type: nothing, because the Service is headless; put another one into extraManifests
serviceMonitor.additionalLabels: serviceMonitor.labels
serviceMonitor.additionalMetricsRelabels: serviceMonitor.metricRelabelings
serviceMonitor.additionalRelabeling: serviceMonitor.relabelings
serviceMonitor.honorLabels: nothing, because it is always true
serviceMonitor.jobLabel: serviceMonitor.relabelings
serviceMonitor.metricRelabelConfigs: serviceMonitor.metricRelabelings
serviceMonitor.path: nothing, because it is always /metrics
serviceMonitor.podTargetLabels: serviceMonitor.relabelings
serviceMonitor.relabelConfigs: serviceMonitor.relabelings
serviceMonitor.selector: serviceMonitor.labels
serviceMonitor.targetLabels: serviceMonitor.relabelings
serviceMonitor.telemetryPath: nothing, because it is always /metrics
serviceMonitor.timeout: serviceMonitor.scrapeTimeout
sidecars: extraContainers
strategy: nothing, because two pods at a time would double the calls to the cloud
tolerationSeconds: tolerations, each with its tolerationSeconds
updateStrategy: nothing, because shards are replaced one after the other
verticalPodAutoscaler: extraManifests, with a VerticalPodAutoscaler of your own
volumeMounts: extraVolumeMounts
volumes: extraVolumes
{{- end -}}

{{- define "huaweicloud-job-exporter.elsewhere.checked" -}}
{{- range $path, $instead := fromYaml (include "huaweicloud-job-exporter.elsewhere" .) -}}
{{- $parts := splitList "." $path -}}
{{- $section := ternary $.Values (get $.Values (first $parts)) (eq (len $parts) 1) -}}
{{- if and (kindIs "map" $section) (hasKey $section (last $parts)) -}}
{{- fail (printf "%s: this chart has no such value; set %s" $path $instead) -}}
{{- end -}}
{{- end -}}
{{- end -}}
