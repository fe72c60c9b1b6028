package main

import (
	"context"
	"net/http"
	"os"

	"rondo/alerts/event"
	"rondo/syslogd/syslog"
	"rondo/web"
)

// eventLines take the log lines of events: right into the log store, for they
// come from nobody who could be heard of by them, and without secrets, as all
// that goes there.
type eventLines struct{ s *server }

// Put implements event.Sink.
func (l eventLines) Put(ctx context.Context, batch []syslog.Message) error {
	return l.s.stores.logs.Put(ctx, l.s.redact(batch))
}

func (s *server) openEvents() (err error) {
	host, err := os.Hostname()
	if err != nil {
		host = "rondo"
	}
	s.events, err = event.Open(s.stores.state, event.Options{Config: s.conf.Events, Lines: eventLines{s}, Host: host, Log: s.log})
	return err
}

// mountEvents mounts events: our own API, webhooks in, and what Grafana's and
// Graphite's clients know.
func (s *server) mountEvents(w *web.Server) {
	read, commands := s.events.Handler(), s.events.Commands(w.Caller)
	w.Handle("GET /api/events", read)
	w.Handle("GET /api/events/{id}", read)
	w.Command("POST /api/events", commands)
	w.Command("DELETE /api/events/{id}", commands)
	w.Open("POST /api/events/hook/{name}", s.events.Hooks())

	grafana := s.events.GrafanaCommands(w.Caller)
	w.Handle("GET /api/annotations", s.events.Grafana())
	w.Command("POST /api/annotations", grafana)
	w.Command("POST /api/annotations/graphite", grafana)
	for _, method := range []string{http.MethodPatch, http.MethodPut, http.MethodDelete} {
		w.Command(method+" /api/annotations/{id}", grafana)
	}
	graphite := s.events.GraphiteCommands(w.Caller)
	w.Handle("GET /events/get_data", s.events.Graphite())
	w.Command("POST /events", graphite)
	w.Command("POST /events/", graphite)
}
