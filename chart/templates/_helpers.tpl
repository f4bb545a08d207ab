{{/* The name of all objects: the release's name, which contains `slipway`. */}}
{{- define "slipway.name" -}}
{{- if contains "slipway" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-slipway" (.Release.Name | trunc 32 | trimSuffix "-") }}{{ end }}
{{- end }}

{{/* The labels that select a component's pods; the argument is a list of the context and the component. */}}
{{- define "slipway.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: slipway
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "slipway.labels" -}}
app.kubernetes.io/name: slipway
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* An object's annotations, including `commonAnnotations`; the argument is a list of the context and the object's own annotations. */}}
{{- define "slipway.annotations" -}}
{{- $own := dict -}}
{{- if gt (len .) 1 }}{{ $own = merge $own (index . 1) }}{{ end -}}
{{- with merge $own (index . 0).Values.commonAnnotations }}{{ "\n  annotations:" }}{{ toYaml . | nindent 4 }}{{ end }}
{{- end }}

{{/* A duration such as 90s, 5m or 1h, in seconds. */}}
{{- define "slipway.seconds" -}}
{{- $number := regexFind "^[0-9]+" . | int -}}
{{- if hasSuffix "h" . }}{{ mul $number 3600 }}{{ else if hasSuffix "m" . }}{{ mul $number 60 }}{{ else }}{{ $number }}{{ end }}
{{- end }}

{{/* Non-empty if the registry is the sidecar. */}}
{{- define "slipway.sidecar" -}}
{{- if eq .Values.registry.mode "sidecar" }}yes{{ end }}
{{- end }}

{{/* The registry's HOST:PORT for the Engine and slipway. */}}
{{- define "slipway.registry.push" -}}
{{- if include "slipway.sidecar" . }}localhost:{{ .Values.registry.sidecar.port }}{{ else }}{{ .Values.registry.external.address }}{{ end }}
{{- end }}

{{/* The registry's HOST:PORT for kubelets. */}}
{{- define "slipway.registry.pull" -}}
{{- if include "slipway.sidecar" . }}localhost:{{ .Values.cache.port }}{{ else }}{{ .Values.registry.external.pullAddress | default .Values.registry.external.address }}{{ end }}
{{- end }}

{{/* The securityContext of every unprivileged container. */}}
{{- define "slipway.unprivileged" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* NAME=VALUE for each entry of a map, separated by commas. */}}
{{- define "slipway.pairs" -}}
{{- $pairs := list -}}
{{- range $name, $value := . -}}
{{- $pairs = append $pairs (printf "%s=%s" $name $value) -}}
{{- end -}}
{{- join "," $pairs -}}
{{- end -}}
