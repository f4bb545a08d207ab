{{- define "web.selector" -}}
app.kubernetes.io/name: {{ .Release.Name | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/component: web
{{- end }}
{{- define "web.labels" -}}
{{ include "web.selector" . }}
app.kubernetes.io/part-of: {{ .Release.Name | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.version }}
app.kubernetes.io/version: {{ . | quote }}
{{- end }}
{{- with .Values.pusher }}
slipway.dev/pusher: {{ . | quote }}
{{- end }}
{{- end }}
{{- define "web.probe" -}}
{{- if .Values.healthPath -}}
httpGet: {path: {{ .Values.healthPath | quote }}, port: http, scheme: HTTP}
{{- else -}}
tcpSocket: {port: http}
{{- end }}
{{- end }}
