// Package notify tells transitions: webhooks in Alertmanager's format, and
// commands that are executed. Each is an alerts.Action, made from its
// configuration.
//
//	alerts:
//	  webhooks:
//	    - name: pager
//	      url: https://user:secret@pager.example.com/hook
//	      match: ['severity="critical"']
//	  exec:
//	    - name: restart
//	      command: [/usr/local/bin/restart-service, --quiet]
//	      match: ['alertname="service-down"']
//
// # Webhook: at least once
//
// The body is what Alertmanager's webhook_config sends (version "4"), with one
// problem per message. A problem that changes from warning to critical is two
// alerts in one message, the new one firing and the old one resolved, because
// the severity is one of its labels and so part of its fingerprint. The
// headers Idempotency-Key and X-Rondo-Transition carry the transition's ID,
// which is the same in every repetition.
//
// 2xx is success; 5xx, 408, 425, 429 and what is no answer at all is tried again; any
// other answer is final. Redirects are not followed.
//
// # Exec: at most once
//
// A command may do what must not be done twice, so that it has run is noted
// before it runs: after a crash in between it does not run at all, which is
// logged. It gets no shell, a small environment, the transition in RONDO_*
// variables and as JSON on standard input. When its time is up, its whole
// process group is killed.
package notify
