// Package amapi speaks for the alert engine in other people's words:
// Alertmanager's API v2, so that Prometheus can send its alerts here and amtool
// and Grafana work, and Prometheus' own /api/v1/rules and /api/v1/alerts.
//
//	GET  /api/v2/alerts          problems, ours and those sent to us
//	POST /api/v2/alerts          alerts of others become states of the rule "external"
//	GET  /api/v2/alerts/groups   the dispatcher's groups
//	GET  /api/v2/silences        POST: a new one, or in place of another
//	GET  /api/v2/silence/{id}    DELETE: ends it
//	GET  /api/v2/status          GET /api/v2/receivers
//
// Bodies are those of Alertmanager's OpenAPI document.
//
// # Alerts of others
//
//	alerting:
//	  alertmanagers:
//	    - static_configs: [{targets: ["127.0.0.1:8080"]}]
//
// Each label set that is sent is a label set of the rule [RuleID]: with its own
// alertname, severity and annotations, hard at once, since who sent it has
// waited already. It fires until it is sent with an end that has passed, or
// is not sent again until its end (Prometheus: four times its interval; what says
// no end: resolve_timeout, 5 minutes). Silences, acknowledgements, routes and
// receivers treat it like any other problem.
//
// The answer 200 is sent when the state is on disk. What was sent survives a
// restart; ends that passed meanwhile get resolve_timeout more, because nobody
// could reach us.
//
//	POST --> External.Take --+--> stored entry (labels, annotations, end)
//	                         '--> Engine.Submit --> states, outbox
//	Engine's interval --> External.Check: what has ended --> Engine.Submit
//
// # Receivers and groups
//
// Who is told of an alert is asked of the dispatcher: the receivers are those
// that its routes send the alert to, the groups those that it holds, with what
// is silenced in its place among them. A soft problem is unprocessed, in no
// group yet, and has the receivers that would be told. Without routes each problem is a group of its own for each receiver.
// inhibitedBy has the fingerprint of the alert that inhibits; what Alertmanager
// does not know and mutes here stands there by its word: downtime, unreachable,
// waiting, flapping.
//
// # Rules
//
// /api/v1/rules has the groups of Prometheus' rule files as Prometheus shows
// them, with how their newest evaluation went, and behind them one group, rondo,
// of all other rules. For these duration is what the rule waits before a
// problem is told, keepFiringFor before its end is.
//
// # Silences
//
// They are the engine's. Ended ones are forgotten, so that `amtool silence
// query --expired` finds none.
package amapi
