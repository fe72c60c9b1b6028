package main

import (
	"net/http"
	"strings"

	"rondo/alerts/amapi"
	"rondo/alerts/promrule"
	"rondo/rrd"
	"rondo/web"
)

// mountAlertmanager mounts what speaks to Alertmanager's clients, and to those
// who ask Prometheus for its rules. To post alerts is ingest; silences are
// commands.
func (s *server) mountAlertmanager(w *web.Server) {
	api := amapi.New(amapi.Options{
		Engine: s.engine, External: s.external, Version: release, Revision: build().Revision,
		Groups:      func() []*promrule.Group { return *s.imported.Load() },
		Dispatcher:  s.dispatcher,
		Direct:      func(ls rrd.Labels) []string { return s.parts.Load().conf.Alerts.Receivers.Receivers(ls) },
		Receivers:   func() []string { return receiverNames(s.parts.Load().conf) },
		Config:      func() string { return alertmanagerConfig(s.parts.Load().conf) },
		ExternalURL: func() string { return s.parts.Load().conf.Alerts.Receivers.ExternalURL },
	})
	read := api.Handler()
	for _, path := range []string{"/api/v2/alerts", "/api/v2/alerts/groups", "/api/v2/silences", "/api/v2/silence/{id}", "/api/v2/status", "/api/v2/receivers", "/api/v1/rules", "/api/v1/alerts"} {
		w.Handle("GET "+path, read)
	}
	w.Handle("POST /api/v2/alerts", api.Ingest())
	w.Command("POST /api/v2/silences", api.Commands())
	w.Command("DELETE /api/v2/silence/{id}", api.Commands())
	w.Handle("GET /-/ready", http.HandlerFunc(s.ready)) // as Prometheus and Alertmanager call it
}

func receiverNames(conf *config) (names []string) {
	for _, r := range conf.Alerts.receivers() {
		names = append(names, r.Name)
	}
	return names
}

// alertmanagerConfig is what amtool shows: our receivers by name, in
// Alertmanager's words. Addresses and secrets stay here.
func alertmanagerConfig(conf *config) string {
	var b strings.Builder
	names := receiverNames(conf)
	if len(names) == 0 {
		names = []string{"nobody"}
	}
	first := names[0]
	if r := conf.Alerts.Telling.Dispatch.Route; r != nil {
		first = r.Receiver
	}
	b.WriteString("# of rondo; rondo config check shows the whole\nroute:\n  receiver: " + quoteYAML(first) + "\nreceivers:\n")
	for _, n := range names {
		b.WriteString("- name: " + quoteYAML(n) + "\n")
	}
	return b.String()
}

// quoteYAML writes a text in single quotes, in which YAML knows no escapes but
// the quote itself.
func quoteYAML(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
