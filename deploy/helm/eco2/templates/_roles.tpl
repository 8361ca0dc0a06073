{{/*
The table of roles: each one's file in the image, the secrets and stores it needs, whether it serves clients, and the mailboxes
that it works on. A role gets only the secrets named here.
*/}}
{{- define "eco2.roleTable" -}}
gateway:
  main: packages/gateway/src/main.ts
  secrets: [REDIS_URL, REDIS_PASSWORD, REDIS_SENTINEL_PASSWORD, DATABASE_URL, DATABASE_PASSWORD, JWT_SECRET, INTERNAL_SECRET, VIEWER_SECRET, S3_SECRET_ACCESS_KEY]
  database: true
  clients: true
  issuer: true
scan-worker:
  main: packages/actors/src/main.ts
  secrets: [REDIS_URL, REDIS_PASSWORD, REDIS_SENTINEL_PASSWORD, OPENAI_API_KEY, GEMINI_API_KEY]
  internet: true
  mailboxes: 'scan\..*'
character-match:
  main: packages/actors/src/character/matchMain.ts
  secrets: [REDIS_URL, REDIS_PASSWORD, REDIS_SENTINEL_PASSWORD, DATABASE_URL, DATABASE_PASSWORD]
  database: true
  migrated: true
  mailboxes: character
character-worker:
  main: packages/actors/src/character/workerMain.ts
  secrets: [REDIS_URL, REDIS_PASSWORD, REDIS_SENTINEL_PASSWORD, DATABASE_URL, DATABASE_PASSWORD]
  database: true
  migrated: true
  mailboxes: ownership|user-character|history
news-worker:
  main: packages/news/src/main.ts
  secrets: [REDIS_URL, REDIS_PASSWORD, REDIS_SENTINEL_PASSWORD, DATABASE_URL, DATABASE_PASSWORD, NAVER_CLIENT_ID, NAVER_CLIENT_SECRET, NEWSDATA_API_KEY]
  database: true
  migrated: true
  internet: true
  mailboxes: 'news\..*'
news-api:
  main: packages/news/src/api.ts
  secrets: [REDIS_URL, REDIS_PASSWORD, REDIS_SENTINEL_PASSWORD, DATABASE_URL, DATABASE_PASSWORD]
  database: true
  migrated: true
  clients: true
authz:
  main: packages/gateway/src/authz/main.ts
  secrets: [REDIS_URL, REDIS_PASSWORD, REDIS_SENTINEL_PASSWORD, JWT_SECRET]
  clients: true
  issuer: true
all:
  main: deploy/local/main.ts
  secrets: [REDIS_URL, REDIS_PASSWORD, REDIS_SENTINEL_PASSWORD, DATABASE_URL, DATABASE_PASSWORD, JWT_SECRET, INTERNAL_SECRET, VIEWER_SECRET, S3_SECRET_ACCESS_KEY, OPENAI_API_KEY, GEMINI_API_KEY, NAVER_CLIENT_ID, NAVER_CLIENT_SECRET, NEWSDATA_API_KEY]
  database: true
  internet: true
  clients: true
  issuer: true
  mailboxes: '.*'
{{- end }}

{{/* The enabled roles, as JSON: name -> the table's row with the role's values under `values`. */}}
{{- define "eco2.roles" -}}
{{- $roles := dict -}}
{{- $table := include "eco2.roleTable" . | fromYaml -}}
{{- $values := .Values -}}
{{- range $name, $row := $table -}}
  {{- $own := index $values.roles $name -}}
  {{- $on := $own.enabled -}}
  {{- if eq $name "authz" -}}
    {{- if kindIs "invalid" $on -}}{{- $on = $values.istio.enabled -}}{{- end -}}
  {{- else if and $values.roles.all.enabled (ne $name "all") -}}
    {{- $on = false -}}
  {{- end -}}
  {{- if $on -}}
    {{- $merged := merge (deepCopy $own) (deepCopy $values.pod) -}}
    {{- range $key, $value := $own -}}{{- $_ := set $merged $key $value -}}{{- end -}}
    {{- $_ := set $roles $name (set (deepCopy $row) "values" $merged) -}}
  {{- end -}}
{{- end -}}
{{- toJson $roles -}}
{{- end }}

{{/* The role that serves scan clients, and the one that serves news. */}}
{{- define "eco2.door" -}}{{ ternary "all" "gateway" .Values.roles.all.enabled }}{{- end }}
{{- define "eco2.newsDoor" -}}
{{- if .Values.roles.all.enabled }}all{{ else if index .Values.roles "news-api" "enabled" }}news-api{{ end -}}
{{- end }}
