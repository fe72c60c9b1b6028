// Package pagerduty sends notices as events of PagerDuty's Events API v2
// (https://developer.pagerduty.com/docs/send-alert-event).
//
//	receivers:
//	  - name: pager
//	    pagerduty:
//	      routing_key: ${PAGERDUTY_KEY}
//	      severity: '{{ .CommonLabels.severity }}'
//
// # Incidents
//
// An incident is a group: what its alerts do to it is one event, trigger while
// any fires and resolve when none does. With `per: alert` each alert of the group
// is an incident of its own. The dedup_key is a hash of the group's key, or of
// the group's key and the alert's fingerprint: the same for all that is ever
// said of it, so that a repetition changes the incident and makes no second one.
//
// A notice with the reason acknowledged acknowledges the incident.
//
// # Bounds
//
// A summary has at most 1024 characters, a dedup_key 255, an event 512 KB:
// details that make it longer are left out, and say so.
package pagerduty
