package text

// defaults are the templates that are there without being written. What stands
// first in a title is what matters on a telephone at night: how bad, what, where.
// A value that is not equal to itself is not a number: nobody measured one.
const defaults = `
{{- define "where" -}}
{{- $sep := "" }}{{ range (.Remove (stringSlice "alertname" "severity" "job" "group")).SortedPairs }}{{ $sep }}{{ .Value }}{{ $sep = " " }}{{ end -}}
{{- end -}}

{{- define "one" -}}
{{ .Labels.alertname }}{{ with .Labels.Remove (stringSlice "alertname" "severity" "job" "group") }} {{ template "where" . }}{{ end }}{{ with .Text }}: {{ . }}{{ end }}
{{- end -}}

{{- define "title" -}}
{{- $firing := .Alerts.Firing -}}
{{- $more := .Truncated -}}
{{- if .RootCause -}}
{{ toUpper .Status }}: {{ .RootCause }}
{{- else if $firing -}}
{{- with index $firing 0 }}{{ toUpper .Severity }}: {{ template "one" . }}{{ end -}}
{{- else -}}
{{- with index .Alerts 0 }}OK: {{ template "one" . }}{{ end -}}
{{- end -}}
{{- if $firing }}{{ if or $more (gt (len $firing) 1) }} (and {{ other (len $firing) $more }} more){{ end -}}
{{- else if or $more (gt (len .Alerts) 1) }} (and {{ other (len .Alerts) $more }} more){{ end -}}
{{- end -}}

{{- define "text" -}}
{{- if .RootCause }}{{ .RootCause }}

{{ end -}}
{{- range .Alerts.Firing }}{{ toUpper .Severity }} {{ template "one" . }}
  since {{ .StartsAt.Format "2006-01-02 15:04:05 MST" }}
{{ if eq .Value .Value }}  value {{ number .Value }}{{ if .Expr }} of {{ .Expr }}{{ end }}
{{ end -}}
{{ template "words" . }}{{ end -}}
{{- range .Alerts.Resolved }}OK {{ template "one" . }}
  from {{ .StartsAt.Format "2006-01-02 15:04:05 MST" }} to {{ .EndsAt.Format "2006-01-02 15:04:05 MST" }}
{{ template "words" . }}{{ end -}}
{{- if .Truncated }}and {{ .Truncated }} more
{{ end -}}
{{- if .ExternalURL }}all: {{ .ExternalURL }}/alerts
{{ end -}}
{{- end -}}

{{- define "words" -}}
{{- $text := .Text }}{{ range .Annotations.SortedPairs }}{{ if ne .Value $text }}  {{ .Name }}: {{ .Value }}
{{ end }}{{ end -}}
{{- if .GeneratorURL }}  {{ .GeneratorURL }}
{{ end -}}
{{- end -}}

{{- define "html" -}}
<!DOCTYPE html><html><body style="font-family:sans-serif;font-size:14px;color:#222">
{{ with .RootCause }}<p><b>{{ . }}</b></p>{{ end }}
<table cellpadding="6" style="border-collapse:collapse">
{{ range .Alerts.Firing }}<tr style="border-bottom:1px solid #ddd"><td valign="top" style="color:#b00020"><b>{{ toUpper .Severity }}</b></td><td>
<b>{{ template "one" . }}</b><br>since {{ .StartsAt.Format "2006-01-02 15:04:05 MST" }}{{ if eq .Value .Value }}, value {{ number .Value }}{{ end }}{{ if .Expr }} of <code>{{ .Expr }}</code>{{ end }}{{ template "htmlwords" . }}</td></tr>
{{ end }}
{{- range .Alerts.Resolved }}<tr style="border-bottom:1px solid #ddd"><td valign="top" style="color:#1b7f3b"><b>OK</b></td><td>
<b>{{ template "one" . }}</b><br>from {{ .StartsAt.Format "2006-01-02 15:04:05 MST" }} to {{ .EndsAt.Format "2006-01-02 15:04:05 MST" }}{{ template "htmlwords" . }}</td></tr>
{{ end }}</table>
{{ if .Truncated }}<p>and {{ .Truncated }} more</p>{{ end }}
{{ with .ExternalURL }}<p><a href="{{ . }}/alerts">all alerts</a></p>{{ end }}
</body></html>
{{- end -}}

{{- define "htmlwords" -}}
{{- $text := .Text }}{{ range .Annotations.SortedPairs }}{{ if ne .Value $text }}<br>{{ .Name }}: {{ .Value }}{{ end }}{{ end -}}
{{- with .GeneratorURL }}<br><a href="{{ . }}">why</a>{{ end -}}
{{- end -}}
`
