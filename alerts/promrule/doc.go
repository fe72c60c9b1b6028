// Package promrule evaluates Prometheus' rule files as they are: groups of
// alerting and recording rules, with its templates, durations and states.
//
//	alerts:
//	  rule_files: [rules/*.yml]     # from the configuration's folder on
//	  evaluation_interval: 1m       # of groups that name none
//	  external_labels: {region: eu} # $externalLabels in templates
//
//	# rules/node.yml
//	groups:
//	  - name: node
//	    interval: 30s
//	    rules:
//	      - record: instance:load1:max
//	        expr: max by (instance) (node_load1)
//	      - alert: NodeOverloaded
//	        expr: instance:load1:max > 8
//	        for: 5m
//	        keep_firing_for: 10m
//	        labels: {severity: page}
//	        annotations:
//	          summary: '{{ $labels.instance }} has a load of {{ $value | humanize }}'
//
// # From a file to a state
//
//	File ---NewGroups---> Group ---Eval(at)---> []Outcome
//	(cmd decodes it,        |                     |  readings of alerting rules,
//	 Validate checks it)    |                     '- samples of recording rules, appended
//	                        |
//	                        '---Supervised---> alerts.Engine: Step(policy, state, reading, now)
//
// A Group is evaluated at a time of the caller's choice against any
// rrd.Evaluator, and holds no state: rules run in their order, all at one time, and a rule
// finds what those before it recorded, if Options.Recorded puts it where
// Options.Metrics looks. States are not made here. [Rule.Policy] is what
// alerts.Step needs to make Prometheus' states of readings:
//
//	Prometheus     here
//	inactive       OK
//	pending        soft: there, but not yet for `for`
//	firing         hard, warning or critical by the label severity
//	               (critical, page and anything unheard of are critical;
//	               warning, info, none and their kind are warnings)
//
// An element that is there is a reading that is bad; one that is not there is
// a cleared one. So `for` counts from the first evaluation that has the element
// and begins anew when one lacks it, and keep_firing_for counts from the first
// one that lacks it: the same comparisons (at least as long) as Prometheus'.
//
// The labels of an alert are those of its element without the name, under those
// of the group, those of the rule and alertname. Two alerts of a rule with the
// same labels are an error of the rule. A scalar is one element without labels.
// Annotations go with each reading, and summary, message or description is its
// text.
//
// # What differs
//
//   - Recorded values that are NaN or infinite stay unknown: archives keep
//     numbers. There are no stale markers: a series that is not recorded any
//     more ends as the laws of rrd/promql say.
//   - A rule that cannot be evaluated is unknown after two intervals of that,
//     and told. Until then what fires goes on firing, and `for` begins anew.
//     Prometheus leaves both as they are for ever.
//   - An alert without a label severity is told with severity="critical".
//   - The series ALERTS and ALERTS_FOR_STATE are not written.
//   - Texts are bounded: 16 KB and 10,000 turns of loops.
//
// # In an engine
//
// Supervised makes one rule of an alerts.Engine for each alerting rule, called
// GROUP/ALERT, and one for all recording rules of a group together, which is
// unknown while any of them fails. Whichever of them is checked first in an
// interval evaluates the group for all.
package promrule
