// Package ruletest runs unit tests of rules in promtool's format, as they are
// (prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules).
//
//	rule_files: [alerts.yml]
//	evaluation_interval: 1m
//	tests:
//	  - interval: 1m                     # of the values below
//	    input_series:
//	      - series: 'up{job="a"}'
//	        values: '1 1 0x15 _ stale'
//	    alert_rule_test:
//	      - eval_time: 10m
//	        alertname: InstanceDown
//	        exp_alerts:
//	          - exp_labels: {severity: page, job: a}
//	            exp_annotations: {summary: a is down}
//	    promql_expr_test:
//	      - {expr: 'sum(up)', eval_time: 5m, exp_samples: [{labels: '{}', value: 0}]}
//
// Series are samples in memory with Prometheus' look back (promql.Samples), not
// archives: what passes with promtool passes here. The rules are evaluated by
// promrule and their states made by alerts.Step, which are what a server runs.
//
//	for each evaluation time:
//	    for each rule:  Outcome -> readings -> Step -> pending, firing -> series ALERTS
//	    compare what fires with what is expected at that time
//
// A rule sees what those before it recorded, raised and ended at the same time,
// and no sample that is later than that.
package ruletest
