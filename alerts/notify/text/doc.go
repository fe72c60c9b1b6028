// Package text is what people read: notices written by Go templates
// (text/template, and html/template for HTML).
//
// # Data and functions
//
// A template sees a [Data]. Its fields are those of Alertmanager's templates,
// so that templates written for it go on working:
//
//	{{ .Status }} {{ .Receiver }} {{ .GroupLabels.alertname }} {{ .CommonAnnotations.summary }} {{ .ExternalURL }}
//	{{ range .Alerts.Firing }} {{ .Labels.host }} {{ .Annotations.summary }} {{ .StartsAt }} {{ .GeneratorURL }} {{ end }}
//	{{ .CommonLabels.SortedPairs.Values | join " " }}
//
// and what rondo knows besides: .Reason, .RootCause, .Truncated, and of an
// alert .Severity, .Value, .Text and .Expr. Functions are those of
// Alertmanager: toUpper, toLower, title, trimSpace, join, match, reReplaceAll,
// stringSlice, safeHtml, date, tz, since, humanizeDuration, toJson.
//
// # Defaults
//
// Nobody needs to write a template. "title", "text" and "html" are defined, are
// what is used where nothing is said, and can be called:
//
//	subject: '[{{ .CommonLabels.team }}] {{ template "title" . }}'
//
// A title says what is unusable (critical: load web-1: run_queue is 137), a
// text says since when, with which value, and where to look.
//
// # Bounds
//
// What a template writes is bounded in length ([Template.Execute] cuts and
// says so) and in time: [Parse] puts a count into every loop and every
// template, so that none runs for ever, whatever it is. [Template.Check]
// runs a template over an example, which is how `config check` finds a field
// that does not exist.
package text
