{{/* slipway's permissions in the namespace of an app. */}}
{{- define "slipway.rules.app" -}}
# The kinds that a release may contain: slipway applies, watches and prunes them. Helm's release records are Secrets.
# Kubernetes prevents privilege escalation, so the Roles in an app's chart can grant only the permissions listed here.
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
# The lock that allows one deploy per app at a time.
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: *all
# To follow a rollout, to explain a failure, and to delete a StatefulSet's broken pod that blocks its own replacement.
- apiGroups: [apps]
  resources: [replicasets]
  verbs: [get, list, watch]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, delete]
- apiGroups: [""]
  resources: [events]
  verbs: [get, list]
# To omit the app chart's default resources where they could contradict the namespace's own.
- apiGroups: [""]
  resources: [limitranges]
  verbs: [list]
# To write events about the app.
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
- apiGroups: [""]
  resources: [pods/log]
  verbs: [get]
{{- end }}
