{{/* What slipway may do in the namespace of an app. */}}
{{- define "slipway.rules.app" -}}
# The kinds that a release may hold: applied, watched, and pruned. Helm's release records are Secrets. Nobody can give a
# Role more rights than he has himself: a chart's Roles may allow what stands here, and no more.
- apiGroups: [""]
  resources: [configmaps, persistentvolumeclaims, secrets, serviceaccounts, services]
  verbs: &all [get, list, watch, create, update, patch, delete]
- apiGroups: [apps]
  resources: [daemonsets, deployments, statefulsets]
  verbs: *all
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: *all
- apiGroups: [batch]
  resources: [cronjobs, jobs]
  verbs: *all
- apiGroups: [networking.k8s.io]
  resources: [ingresses, networkpolicies]
  verbs: *all
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: *all
- apiGroups: [rbac.authorization.k8s.io]
  resources: [rolebindings, roles]
  verbs: *all
# One deploy per app at a time.
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: *all
# Following a rollout, saying why one fails, and removing a StatefulSet's pod that stands in its own way.
- apiGroups: [apps]
  resources: [replicasets]
  verbs: [get, list, watch]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, delete]
- apiGroups: [""]
  resources: [events]
  verbs: [get, list]
# Telling what happens to the app.
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
- apiGroups: [""]
  resources: [pods/log]
  verbs: [get]
{{- end }}
