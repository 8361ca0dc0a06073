{{/* Settings and secrets: the environment variables and their sources. */}}

{{/* A value as the environment needs it: numbers never as 1e+06. */}}
{{- define "eco2.text" -}}
{{- if kindIs "string" . }}{{ . }}{{ else }}{{ toJson . }}{{ end -}}
{{- end }}

{{/* A setting's text. Helm reads `off` as false, so for settings with the word off, false means off. Takes (dict "name" name "value" value). */}}
{{- define "eco2.setting" -}}
{{- if and (kindIs "bool" .value) (has .name (list "MODEL_BREAKER" "USER_RATE")) }}off{{ else }}{{ include "eco2.text" .value }}{{ end -}}
{{- end }}

{{/* The Secret whose keys are settings' names; empty: there is none. */}}
{{- define "eco2.secretName" -}}
{{- if .Values.secrets.existing -}}
{{ .Values.secrets.existing }}
{{- else if or .Values.secrets.external.enabled .Values.secrets.values -}}
{{ include "eco2.fullname" . }}
{{- end -}}
{{- end }}

{{/* Whether a secret is set. An existing Secret may contain any: then "maybe". Takes (dict "root" $ "name" name). */}}
{{- define "eco2.secretKnown" -}}
{{- $secrets := .root.Values.secrets -}}
{{- if hasKey $secrets.from .name }}yes
{{- else if $secrets.existing }}maybe
{{- else if $secrets.external.enabled }}{{ if hasKey $secrets.external.data .name }}yes{{ end }}
{{- else if index $secrets.values .name }}yes
{{- end -}}
{{- end }}

{{/* env entries for secrets; secrets that are not set are left out. Takes (dict "root" $ "names" list). */}}
{{- define "eco2.secretEnv" -}}
{{- $root := .root -}}
{{- range .names }}
{{- $known := include "eco2.secretKnown" (dict "root" $root "name" .) }}
{{- $from := index $root.Values.secrets.from . }}
{{- if and (eq . "REDIS_URL") (include "eco2.redisUrl" $root) }}
{{- else if and (eq . "DATABASE_URL") (include "eco2.databaseUrl" $root) }}
{{- else if $from }}
- name: {{ . }}
  valueFrom: { secretKeyRef: { name: {{ $from.name }}, key: {{ $from.key | quote }} } }
{{- else if eq $known "yes" }}
- name: {{ . }}
  valueFrom: { secretKeyRef: { name: {{ include "eco2.secretName" $root }}, key: {{ . }} } }
{{- else if eq $known "maybe" }}
- name: {{ . }}
  valueFrom: { secretKeyRef: { name: {{ include "eco2.secretName" $root }}, key: {{ . }}, optional: true } }
{{- end }}
{{- end }}
{{- end }}

{{/* REDIS_URL if it is not a secret. */}}
{{- define "eco2.redisUrl" -}}
{{- if .Values.redis.bundled.enabled -}}
redis://{{ include "eco2.fullname" . }}-redis:6379/0
{{- else -}}
{{ .Values.redis.url }}
{{- end -}}
{{- end }}

{{/* DATABASE_URL from its parts, with the user encoded and without the password (DATABASE_PASSWORD). */}}
{{- define "eco2.databaseUrl" -}}
{{- $host := ternary (printf "%s-postgres" (include "eco2.fullname" .)) .Values.database.host .Values.database.bundled.enabled -}}
{{- with .Values.database -}}
{{- if $host -}}
postgres://{{ urlquery .user | replace "+" "%20" }}@{{ $host }}:{{ ternary 5432 .port .bundled.enabled }}/{{ urlquery .name | replace "+" "%20" }}
{{- if and .sslMode (not .bundled.enabled) }}?sslmode={{ .sslMode }}{{ end -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* The settings that all roles share, as YAML of a ConfigMap's data. */}}
{{- define "eco2.settings" -}}
{{- $all := dict "AUTH_MODE" "jwt" -}}
{{- range $name, $value := .Values.settings -}}
  {{- if not (kindIs "invalid" $value) -}}{{- $_ := set $all $name (include "eco2.setting" (dict "name" $name "value" $value)) -}}{{- end -}}
{{- end -}}
{{- range $provider := list "OPENAI" "GEMINI" -}}
  {{/* a provider without a key offers no models: workers would refuse to start */}}
  {{- $key := include "eco2.secretKnown" (dict "root" $ "name" (printf "%s_API_KEY" $provider)) -}}
  {{- $models := printf "%s_MODELS" $provider -}}
  {{- if and (not $key) (not (hasKey $all $models)) -}}{{- $_ := set $all $models "" -}}{{- end -}}
{{- end -}}
{{- if not (hasKey $all "INSTALLATION") -}}
  {{- $_ := set $all "INSTALLATION" (printf "%s/%s" .Release.Namespace (include "eco2.fullname" .)) -}}
{{- end -}}
{{- $_ := set $all "PORT" "8080" -}}
{{- $_ := set $all "ADMIN_PORT" "8081" -}}
{{- $_ := set $all "HOST" "0.0.0.0" -}}
{{- $_ := set $all "ECO2_STATE" "/tmp/eco2" -}}
{{- with include "eco2.redisUrl" . }}{{- $_ := set $all "REDIS_URL" . -}}{{- end -}}
{{- with include "eco2.databaseUrl" . }}{{- $_ := set $all "DATABASE_URL" . -}}{{- end -}}
{{- toYaml $all -}}
{{- end }}

{{/* A duration in whole seconds, rounded up. */}}
{{- define "eco2.seconds" -}}
{{- $text := include "eco2.text" . -}}
{{- $number := regexFind "^[0-9]+" $text | int -}}
{{- $unit := regexFind "[a-z]+" $text -}}
{{- if hasPrefix "milli" $unit }}{{ div (add $number 999) 1000 }}
{{- else if hasPrefix "minute" $unit }}{{ mul $number 60 }}
{{- else if hasPrefix "hour" $unit }}{{ mul $number 3600 }}
{{- else }}{{ $number }}{{ end -}}
{{- end }}

{{/* Mebibytes of a quantity (1536Mi, 1Gi, 2G) or of a setting (256 MiB). */}}
{{- define "eco2.mebibytes" -}}
{{- $text := ternary (printf "%.0f" (float64 .)) (toString .) (kindIs "float64" .) -}}
{{- $unit := regexFind "[KMGT]i?" ($text | upper | replace "I" "i") -}}
{{- $factors := dict "" 0.00000095367431640625 "K" 0.00095367431640625 "Ki" 0.0009765625 "M" 0.95367431640625 "Mi" 1.0 "G" 953.67431640625 "Gi" 1024.0 "T" 953674.31640625 "Ti" 1048576.0 -}}
{{- mulf (regexFind "^[0-9]+([.][0-9]+)?" $text | float64) (get $factors $unit) | floor | int -}}
{{- end }}

{{/* Fails when a role's memory limit is below `base` MiB and `times` the settings, given as name and default. */}}
{{- define "eco2.checkMemory" -}}
{{- $limit := dig "resources" "limits" "memory" "" (index .root.Values.roles .role) -}}
{{- if $limit -}}
  {{- $need := .base -}}
  {{- range $name, $default := .settings -}}
    {{- $need = add $need (mul $.times (include "eco2.mebibytes" (coalesce (dig "settings" $name "" (index $.root.Values.roles $.role)) (index $.root.Values.settings $name) $default) | int)) -}}
  {{- end -}}
  {{- if lt (include "eco2.mebibytes" $limit | int) (int $need) -}}
    {{- fail (printf "roles.%s.resources.limits.memory is %s, and needs %d MiB with %s; raise it, or lower the settings" .role $limit (int $need) (keys .settings | sortAlpha | join " and ")) -}}
  {{- end -}}
{{- end -}}
{{- end }}

{{/* Fails when a stage that calls models is set to end no later than its calls may: two of each model of its chain; settings as name and default. */}}
{{- define "eco2.checkModelTime" -}}
{{- range $role := list "gateway" "scan-worker" -}}
  {{- $of := dict -}}
  {{- range $name, $default := dict "MODEL_TIMEOUT" "60 seconds" "SCAN_VISION_TIMEOUT" "" "SCAN_ANSWER_TIMEOUT" "" "SCAN_VISION_MODELS" "" "SCAN_ANSWER_MODELS" "" -}}
    {{- $_ := set $of $name (coalesce (dig "settings" $name "" (index $.Values.roles $role)) (index $.Values.settings $name) $default) -}}
  {{- end -}}
  {{- range $prefix := list "SCAN_VISION" "SCAN_ANSWER" -}}
    {{- $stage := printf "%s_TIMEOUT" $prefix -}}
    {{- $models := index $of (printf "%s_MODELS" $prefix) | toString -}}
    {{- $calls := mul 2 (max 1 (len (compact (splitList "," $models)))) -}}
    {{- if and (index $of $stage) (le (include "eco2.seconds" (index $of $stage) | int) (mul $calls (include "eco2.seconds" $of.MODEL_TIMEOUT | int) | int)) -}}
      {{- fail (printf "%s is %s, and MODEL_TIMEOUT %s for each of %d calls (role %s): a call could outlive its stage, and be paid for nothing; raise the first, or lower the second" $stage (toString (index $of $stage)) (toString $of.MODEL_TIMEOUT) $calls $role) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- end }}

{{/* How many connections to PostgreSQL the roles may open at their largest. */}}
{{- define "eco2.connections" -}}
{{- $sum := 0 -}}
{{- $settings := .Values.settings -}}
{{- range $name, $role := include "eco2.roles" . | fromJson -}}
  {{- if $role.database -}}
    {{- $pods := ternary (dig "autoscaling" "max" 1 $role.values) $role.values.replicas (and (dig "autoscaling" "enabled" false $role.values) true) -}}
    {{- $pool := coalesce (dig "settings" "DATABASE_POOL" "" $role.values) $settings.DATABASE_POOL 10 -}}
    {{- $sum = add $sum (mul (int $pods) (int $pool)) -}}
  {{- end -}}
{{- end -}}
{{- $sum -}}
{{- end }}

{{/* Fails when scans are accepted and a role that they need is off. A release that shares its data with another one names it (INSTALLATION). */}}
{{- define "eco2.checkRoles" -}}
{{- $roles := include "eco2.roles" . | fromJson -}}
{{- if and (or (hasKey $roles "gateway") (hasKey $roles "scan-worker")) (not .Values.settings.INSTALLATION) -}}
  {{- range $name, $why := dict "scan-worker" "scans would wait for ever" "character-match" "each scan would wait ten seconds and earn nothing" "character-worker" "rewards would pile up unseen" "gateway" "nobody could submit a scan" -}}
    {{- if not (hasKey $roles $name) -}}
      {{- fail (printf "roles.%s.enabled is false while scans are on: %s; enable it, or, if another release runs it on the same data, set settings.INSTALLATION to the same name in both" $name $why) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- $connections := include "eco2.connections" . | int -}}
{{- with .Values.database.maxConnections -}}
  {{- if gt $connections (sub (int .) 3 | int) -}}
    {{- fail (printf "the roles may open %d connections at their largest (autoscaling.max times DATABASE_POOL), and database.maxConnections is %d, three of them reserved; raise PostgreSQL's max_connections and this value, or lower settings.DATABASE_POOL" $connections (int .)) -}}
  {{- end -}}
{{- end -}}
{{- end }}

{{/* Fails with a message on values that cannot work. */}}
{{- define "eco2.check" -}}
{{- $settings := include "eco2.settings" . | fromYaml -}}
{{- $roles := include "eco2.roles" . | fromJson -}}
{{- $known := dict -}}
{{- range list "REDIS_URL" "DATABASE_URL" "DATABASE_PASSWORD" "JWT_SECRET" "OPENAI_API_KEY" "GEMINI_API_KEY" -}}
  {{- $_ := set $known . (include "eco2.secretKnown" (dict "root" $ "name" .)) -}}
{{- end -}}
{{- if not (or $settings.REDIS_URL $known.REDIS_URL) -}}
  {{- fail "no Redis: set redis.url, the secret REDIS_URL, or redis.bundled.enabled=true for a trial" -}}
{{- end -}}
{{- if and $settings.REDIS_URL (eq $known.REDIS_URL "yes") -}}
  {{- fail "two Redis: the secret REDIS_URL, and redis.url or redis.bundled.enabled; set one" -}}
{{- end -}}
{{- if and $settings.DATABASE_URL (eq $known.DATABASE_URL "yes") -}}
  {{- fail "two PostgreSQL: the secret DATABASE_URL, and database.host or database.bundled.enabled; set one" -}}
{{- end -}}
{{- if and .Values.redis.bundled.enabled .Values.redis.url -}}
  {{- fail "two Redis: redis.url and redis.bundled.enabled; set one" -}}
{{- end -}}
{{- if not (or $settings.DATABASE_URL $known.DATABASE_URL) -}}
  {{- fail "no PostgreSQL: set database.host, the secret DATABASE_URL, or database.bundled.enabled=true for a trial" -}}
{{- end -}}
{{- if and .Values.database.bundled.enabled .Values.database.host -}}
  {{- fail "two PostgreSQL: database.host and database.bundled.enabled; set one" -}}
{{- end -}}
{{- if and .Values.database.bundled.enabled (not $known.DATABASE_PASSWORD) -}}
  {{- fail "the bundled PostgreSQL needs a password: set the secret DATABASE_PASSWORD" -}}
{{- end -}}
{{- if and (eq $settings.AUTH_MODE "header") (not (or .Values.istio.enabled .Values.trustedProxy)) -}}
  {{- fail "AUTH_MODE=header trusts the header X-User-ID: set istio.enabled=true, or trustedProxy=true if a proxy in front removes a client's X-User-ID and sets its own" -}}
{{- end -}}
{{- if and .Values.istio.enabled (not (hasKey $roles "authz")) (eq $settings.AUTH_MODE "header") (not .Values.trustedProxy) -}}
  {{- fail "AUTH_MODE=header with Istio needs roles.authz.enabled (true, or null)" -}}
{{- end -}}
{{- if or (eq $settings.AUTH_MODE "jwt") (hasKey $roles "authz") -}}
  {{- if not (and $settings.JWT_ISSUER $settings.JWT_AUDIENCE) -}}
    {{- fail "tokens need an issuer and an audience: set settings.JWT_ISSUER and settings.JWT_AUDIENCE" -}}
  {{- end -}}
  {{- if and $settings.JWKS_URL (eq $known.JWT_SECRET "yes") -}}
    {{- fail "settings.JWKS_URL and the secret JWT_SECRET are both set: set exactly one of them" -}}
  {{- end -}}
  {{- if not (or $settings.JWKS_URL $known.JWT_SECRET) -}}
    {{- fail "no key for tokens: set settings.JWKS_URL, or the secret JWT_SECRET (32 bytes or more)" -}}
  {{- end -}}
{{- end -}}
{{/* another server than OpenAI's may need no key */}}
{{- $ownServer := and $settings.OPENAI_MODELS $settings.OPENAI_BASE_URL (not (contains "//api.openai.com" (default "" $settings.OPENAI_BASE_URL))) -}}
{{- if not (or $ownServer $known.OPENAI_API_KEY $known.GEMINI_API_KEY (eq (toString $settings.SIMULATED_MODEL) "true")) -}}
  {{- fail "no model: set the secret OPENAI_API_KEY or GEMINI_API_KEY, or settings.SIMULATED_MODEL=true for a trial" -}}
{{- end -}}
{{- range $provider := list "OPENAI" "GEMINI" -}}
  {{- if and (index $settings (printf "%s_MODELS" $provider)) (not (index $known (printf "%s_API_KEY" $provider))) (not (and $ownServer (eq $provider "OPENAI"))) -}}
    {{- fail (printf "settings.%s_MODELS offers models that cannot be called: the secret %s_API_KEY is missing" $provider $provider) -}}
  {{- end -}}
{{- end -}}
{{- if and .Values.secrets.existing (or .Values.secrets.values .Values.secrets.external.enabled) -}}
  {{- fail "secrets.existing and secrets.values or secrets.external are both set: set one (secrets.from can add single secrets)" -}}
{{- end -}}
{{- if and .Values.secrets.external.enabled .Values.secrets.values -}}
  {{- fail "secrets.external and secrets.values are both set: set one (secrets.from can add single secrets)" -}}
{{- end -}}
{{- include "eco2.checkRoles" . -}}
{{- include "eco2.checkModelTime" . -}}
{{- include "eco2.checkMemory" (dict "root" . "role" "gateway" "base" 340 "times" 1 "settings" (dict "UPLOAD_MEMORY" "256 MiB" "SUBMIT_MEMORY" "16 MiB")) -}}
{{- include "eco2.checkMemory" (dict "root" . "role" "scan-worker" "base" 300 "times" 7 "settings" (dict "IMAGE_MEMORY" "128 MiB")) -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) -}}
  {{- fail "ingress.hosts is empty" -}}
{{- end -}}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) -}}
  {{- fail "httpRoute.parentRefs is empty: no gateway would route to it" -}}
{{- end -}}
{{- end }}
