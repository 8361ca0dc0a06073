{{/* Parts of pods. */}}

{{- define "eco2.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: { type: RuntimeDefault }
{{- end }}

{{- define "eco2.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}

{{/* A container of the project's image, without its resources. Takes (dict "root" $ "name" name "args" list "secrets" list). */}}
{{- define "eco2.container" -}}
name: {{ .name }}
image: {{ include "eco2.image" .root }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
args: {{ toJson .args }}
securityContext:
  {{- include "eco2.containerSecurity" .root | nindent 2 }}
envFrom:
  - configMapRef: { name: {{ include "eco2.fullname" .root }} }
  {{- with .envFrom }}{{ toYaml . | nindent 2 }}{{ end }}
{{- $env := include "eco2.env" . | trim }}
{{- with $env }}
env:
  {{- . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The container's environment: secrets, the role's settings, extra variables. */}}
{{- define "eco2.env" -}}
{{ include "eco2.secretEnv" (dict "root" .root "names" .secrets) | trim }}
{{- range $name, $value := .settings }}
{{- if not (kindIs "invalid" $value) }}
- name: {{ $name }}
  value: {{ include "eco2.setting" (dict "name" $name "value" $value) | quote }}
{{- end }}
{{- end }}
{{- with .env }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The termination grace period of a role's pod, seconds. Takes (dict "root" $ "role" row). */}}
{{- define "eco2.terminationSeconds" -}}
{{- $settings := include "eco2.settings" .root | fromYaml -}}
{{- $own := default dict .role.values.settings -}}
{{- $grace := default (default "20 seconds" $settings.SHUTDOWN_GRACE) $own.SHUTDOWN_GRACE -}}
{{- $preStop := ternary .root.Values.preStopSeconds 0 (default false .role.clients) -}}
{{/* 5 seconds for the HTTP server to close */}}
{{- add (include "eco2.seconds" $grace) $preStop 5 .root.Values.terminationSlackSeconds -}}
{{- end }}

{{/* The mounts and the volumes of `files`. */}}
{{- define "eco2.fileMounts" -}}
{{- range $i, $file := .Values.files }}
- { name: files-{{ $i }}, mountPath: {{ $file.path | quote }}, readOnly: true }
{{- end }}
{{- end }}
{{- define "eco2.fileVolumes" -}}
{{- range $i, $file := .Values.files }}
- name: files-{{ $i }}
  {{- if $file.secret }}
  secret: { secretName: {{ $file.secret }} }
  {{- else if $file.configMap }}
  configMap: { name: {{ $file.configMap }} }
  {{- else }}
  {{- toYaml $file.volume | nindent 2 }}
  {{- end }}
{{- end }}
{{- end }}
