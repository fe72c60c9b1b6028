package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"rondo/alerts/check"
	"rondo/autoscale"
	"rondo/rrd/rrdfile"
	"rondo/syslogd/logapi"
	"rondo/syslogd/logimport"
	"rondo/syslogd/logstore"
	"rondo/syslogd/loki"
	"rondo/web"
)

// edge makes the web server and mounts what the other rooms answer.
func (s *server) edge() (*web.Server, error) {
	w, err := web.New(s.conf.Web, web.Deps{
		Metrics: s.stores.metrics, Index: s.stores.metrics, Ranger: s.promql,
		Logs: s.stores.logs, Alerts: s.engine, Telling: s.dispatcher, Fleet: s.fleet, Groups: present{s}, Roles: present{s}, Events: s.events, System: s.system,
	}, s.log)
	if err != nil {
		return nil, err
	}
	w.Handle("/api/v1/", s.promql.Handler())
	logs := logapi.New(s.stores.logs)
	w.Handle("GET /api/logs", logs)
	for _, path := range []string{"histogram", "facets", "explain", "context"} {
		w.Handle("GET /api/logs/"+path, logs)
	}
	w.Stream("GET /api/logs/tail", logs)
	taken := logimport.Handler(logimport.NewLocal(s.stores.logs, s.redact))
	w.Handle("GET "+logimport.Path, taken)
	w.Command("POST "+logimport.Path, taken)
	w.Handle("POST "+loki.PushPath, s.loki.Push())
	w.Handle("/loki/api/v1/", s.loki.Handler())
	w.Stream("GET /loki/api/v1/tail", s.loki.Tail())
	w.Handle("GET /api/alerts", s.engine.Handler())
	w.Handle("GET /api/alerts/", s.engine.Handler())
	w.Handle("GET /api/alerts/receivers", s.dispatcher.Handler())
	w.Handle("GET /api/alerts/groups", s.dispatcher.Handler())
	w.Command("POST /api/alerts/", s.engine.Commands())
	w.Command("DELETE /api/alerts/", s.engine.Commands())
	w.Command("POST "+check.RunPath, s.checks.Run())
	w.Open("POST "+check.PassivePath, s.checks.Passive(s.engine, func(r *http.Request, _ string) bool { return w.Authorized(r) }))
	s.mountAlertmanager(w)
	s.mountEvents(w)
	w.Handle("GET /api/hosts", s.fleet.Handler())
	w.Handle("GET /api/hosts/", s.fleet.Handler())
	w.Command("POST /api/hosts/", s.fleet.Commands())
	w.Handle("GET /api/roles", answer(s.serveRoles))
	w.Handle("GET /api/roles/{name}", answer(s.serveRoles))
	w.Handle("GET /api/groups", s.groups((*autoscale.Controller).Handler))
	w.Handle("GET /api/groups/", s.groups((*autoscale.Controller).Handler))
	w.Command("POST /api/groups/", signed(w, s.groups((*autoscale.Controller).Commands)))
	if err := s.mountAgents(w); err != nil {
		return nil, err
	}
	s.mountRoster(w)
	s.mountSeries(w.Handle, w.Command)
	sets := rrdfile.Handler(rrdfile.WithSeries{SetStore: s.stores.metrics, Querier: s.stores.metrics})
	w.Handle("GET /api/sets", sets)
	w.Handle("GET /api/sets/file", sets)
	w.Command("POST /api/sets/change", answer(s.setChange))
	w.Command("POST /api/sets/drop", answer(s.setDrop))
	w.Command("PUT /api/sets/file", rrdfile.Commands(s.stores.metrics))
	w.Handle("GET /api/backup", http.HandlerFunc(s.backups.serveStatus))
	w.Command("POST /api/backup", http.HandlerFunc(s.backups.serveNow))
	w.StreamCommand("POST /api/backup/snapshot", http.HandlerFunc(s.backups.serveStage))
	w.Handle("GET /api/routes", http.HandlerFunc(s.serveRoutes))
	w.Handle("GET /weights", http.HandlerFunc(s.serveWeights))
	w.Handle("GET /metrics", http.HandlerFunc(s.self.serve))
	w.Open("GET /healthz", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") }))
	w.Open("GET /readyz", http.HandlerFunc(s.ready))
	w.Handle("GET /ready", http.HandlerFunc(s.ready)) // as Loki calls it
	return w, nil
}

// ready answers whether what is sent now would be kept: there is room for it,
// and both logs bring what they were given to disk.
func (s *server) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
	defer cancel()
	err := errors.Join(s.stores.metrics.Room(), s.stores.metrics.Flush(ctx), s.stores.logs.Put(ctx, nil))
	if err != nil {
		http.Error(w, "not ready: "+err.Error(), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}

// groups answers with a handler of the present controller.
func (s *server) groups(of func(*autoscale.Controller) http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c := s.parts.Load().controller; c != nil {
			of(c).ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path == "/api/groups" {
			fmt.Fprintln(w, "[]")
			return
		}
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprintln(w, `{"error":"no autoscaling group is configured"}`)
	})
}

// signed puts who calls before what he says of himself in by.
func signed(w *web.Server, h http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		by := w.Caller(r)
		if says := q.Get("by"); says != "" {
			by += ": " + says
		}
		q.Set("by", by)
		r = r.Clone(r.Context())
		r.URL.RawQuery = q.Encode()
		h.ServeHTTP(rw, r)
	})
}

// present is the controller that a reload may have replaced, for the pages.
type present struct{ s *server }

// controller is nil where no group is configured.
func (p present) controller() *autoscale.Controller { return p.s.parts.Load().controller }

func (p present) Views() []autoscale.View {
	if c := p.controller(); c != nil {
		return c.Views()
	}
	return nil
}

func (p present) Record(group, ref string) (autoscale.Record, error) {
	if c := p.controller(); c != nil {
		return c.Record(group, ref)
	}
	return autoscale.Record{}, autoscale.ErrNoGroup
}

func (p present) Setup(group, digest string) (autoscale.Setup, error) {
	if c := p.controller(); c != nil {
		return c.Setup(group, digest)
	}
	return autoscale.Setup{}, autoscale.ErrNoGroup
}

func (p present) Why(group string, at time.Time) (autoscale.Why, error) {
	if c := p.controller(); c != nil {
		return c.Why(group, at)
	}
	return autoscale.Why{}, autoscale.ErrNoGroup
}

func (p present) Audit(group string) ([]autoscale.Audit, error) {
	if c := p.controller(); c != nil {
		return c.Audit(group)
	}
	return nil, autoscale.ErrNoGroup
}

// system tells the pages what the program knows of itself.
func (s *server) system() web.System {
	conf := s.parts.Load().conf
	y := web.System{
		Version: release, Started: s.started, Story: s.opt.story,
		Retention: retention(s.conf.Syslogd.Store), Backup: s.backups.words(time.Now()),
		Canary:   canaryWords(s.canary.Snapshot()),
		Syslog:   conf.Syslogd.Server.TCP,
		Graphite: conf.address("graphite"),
	}
	if s.opt.story != "" {
		y.From = "-5m"
	}
	if disks, err := s.stores.metrics.Disk(); err == nil {
		for _, d := range disks {
			y.Dirs = append(y.Dirs, web.Dir{Name: "metrics: " + d.Name, Bytes: d.Bytes})
		}
	}
	y.Dirs = append(y.Dirs, web.Dir{Name: "logs", Bytes: s.stores.logs.Stats().DiskBytes}, web.Dir{Name: "spool", Bytes: s.stores.spool.Bytes()})
	y.Routes, y.Destinations = s.routes().forPages(time.Now())
	return y
}

// retention says how long logs are kept, for people.
func retention(c logstore.Config) string {
	return fmt.Sprintf("%.0f days or %.0f GB", c.Retention.Hours()/(24*time.Hour).Hours(), float64(c.MaxBytes)/1e9)
}
