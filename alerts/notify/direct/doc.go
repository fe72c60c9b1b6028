// Package direct is the short way of telling: without routes, every hard change
// is told to every receiver at once, one in each message.
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
// The senders are those of notify/webhook and notify/hook; who wants groups,
// routes and repetition writes a route instead.
package direct
