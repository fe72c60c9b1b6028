package amapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"rondo/alerts"
	"rondo/alerts/notify/dispatch"
	"rondo/alerts/promrule"
	"rondo/rrd"
)

// maxBody bounds the body of a request, in bytes.
const maxBody = 4 << 20

// Engine is what is asked and changed; alerts.Engine is one.
type Engine interface {
	Views() []alerts.View
	Silences() []alerts.Silence
	Silence(ctx context.Context, s alerts.Silence) (alerts.Silence, error)
	Unsilence(ctx context.Context, id string) error
}

// Dispatcher says who is told of what where there are routes;
// dispatch.Dispatcher is one.
type Dispatcher interface {
	Fates(of []rrd.Labels) []dispatch.Fate // nil: there are no routes
	Members() []dispatch.Membership        // nil: as well
}

// noRoutes is a Dispatcher without routes.
type noRoutes struct{}

func (noRoutes) Fates([]rrd.Labels) []dispatch.Fate { return nil }
func (noRoutes) Members() []dispatch.Membership     { return nil }

// Options of an API.
type Options struct {
	Engine      Engine
	External    *External
	Groups      func() []*promrule.Group  // of Prometheus' rule files; nil: none
	Dispatcher  Dispatcher                // nil: there are no routes
	Direct      func(rrd.Labels) []string // who is told of an alert where there are no routes; nil: nobody
	Receivers   func() []string           // names of all; nil: none
	Config      func() string             // what `amtool config show` shows; nil: nothing
	ExternalURL func() string             // of our web pages; nil: ""
	Version     string
	Revision    string
}

// An API answers in Alertmanager's and Prometheus' words.
type API struct {
	o       Options
	started time.Time
}

// New makes an API.
func New(o Options) *API {
	if o.Groups == nil {
		o.Groups = func() []*promrule.Group { return nil }
	}
	if o.Dispatcher == nil {
		o.Dispatcher = noRoutes{}
	}
	if o.Direct == nil {
		o.Direct = func(rrd.Labels) []string { return nil }
	}
	if o.Receivers == nil {
		o.Receivers = func() []string { return nil }
	}
	for _, f := range []*func() string{&o.Config, &o.ExternalURL} {
		if *f == nil {
			*f = func() string { return "" }
		}
	}
	return &API{o, time.Now().UTC()}
}

// Handler answers what may be read.
func (a *API) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v2/alerts", a.getAlerts)
	mux.HandleFunc("GET /api/v2/alerts/groups", a.getGroups)
	mux.HandleFunc("GET /api/v2/silences", a.getSilences)
	mux.HandleFunc("GET /api/v2/silence/{id}", a.getSilence)
	mux.HandleFunc("GET /api/v2/status", a.getStatus)
	mux.HandleFunc("GET /api/v2/receivers", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, named(a.o.Receivers()))
	})
	mux.HandleFunc("GET /api/v1/rules", a.getRules)
	mux.HandleFunc("GET /api/v1/alerts", a.getPromAlerts)
	return mux
}

// Ingest takes alerts in; who mounts it must guard it as other ingest.
func (a *API) Ingest() http.Handler { return http.HandlerFunc(a.postAlerts) }

// Commands answers what changes silences; who mounts it must guard it.
func (a *API) Commands() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v2/silences", a.postSilence)
	mux.HandleFunc("DELETE /api/v2/silence/{id}", a.deleteSilence)
	return mux
}

func answer(w http.ResponseWriter, code int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		code, b = http.StatusInternalServerError, []byte(`"answer cannot be written"`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(append(b, '\n')) // the client is gone: nobody to tell
}

// fail answers an error as Alertmanager does: a JSON string.
func fail(w http.ResponseWriter, code int, err error) { answer(w, code, err.Error()) }

func named(names []string) []receiver {
	out := []receiver{}
	for _, n := range names {
		out = append(out, receiver{n})
	}
	return out
}

// postAlerts takes in what is good, and answers 400 where anything was not:
// so a sender that tries again repeats nothing that matters.
func (a *API) postAlerts(w http.ResponseWriter, r *http.Request) {
	var all []postableAlert
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&all); err != nil {
		fail(w, http.StatusBadRequest, fmt.Errorf("bad request: %w", err))
		return
	}
	now := time.Now().UTC()
	var good []entry
	var errs []error
	for _, p := range all {
		e, err := p.entry(now)
		if err == nil {
			good = append(good, e)
		} else if len(errs) < 10 {
			errs = append(errs, err)
		}
	}
	if err := a.o.External.Take(r.Context(), good, now); err != nil {
		fail(w, http.StatusServiceUnavailable, err) // Prometheus keeps them and sends again
		return
	}
	if len(errs) > 0 {
		fail(w, http.StatusBadRequest, errors.Join(errs...))
		return
	}
	answer(w, http.StatusOK, struct{}{})
}

func (a *API) getSilences(w http.ResponseWriter, r *http.Request) {
	ms, err := parseFilter(r.URL.Query()["filter"])
	if err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	now := time.Now()
	out := []silence{}
	for _, s := range a.o.Engine.Silences() {
		if matches(s, ms) {
			out = append(out, ofSilence(s, now))
		}
	}
	answer(w, http.StatusOK, out)
}

// matches says whether a filter finds a silence: by the values of the matchers
// that it names, as Alertmanager does.
func matches(s alerts.Silence, filter []alerts.Matcher) bool {
	values := make(map[string]string)
	for _, m := range s.Matchers {
		values[m.Label] = m.Value
	}
	ls := alerts.NewLabels(values)
	return !slices.ContainsFunc(filter, func(m alerts.Matcher) bool { return !m.Matches(values[alerts.RuleLabel], ls) })
}

func (a *API) find(id string) (alerts.Silence, bool) {
	all := a.o.Engine.Silences()
	i := slices.IndexFunc(all, func(s alerts.Silence) bool { return s.ID == id })
	if i < 0 {
		return alerts.Silence{}, false
	}
	return all[i], true
}

func (a *API) getSilence(w http.ResponseWriter, r *http.Request) {
	s, ok := a.find(r.PathValue("id"))
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	answer(w, http.StatusOK, ofSilence(s, time.Now()))
}

// postSilence makes a silence; one with an id takes the place of that one.
func (a *API) postSilence(w http.ResponseWriter, r *http.Request) {
	var p silence
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&p); err != nil {
		fail(w, http.StatusBadRequest, fmt.Errorf("bad request: %w", err))
		return
	}
	s, err := p.ours(time.Now())
	if err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	if _, ok := a.find(p.ID); p.ID != "" && !ok {
		fail(w, http.StatusNotFound, errors.New("silence not found"))
		return
	}
	if s, err = a.o.Engine.Silence(r.Context(), s); err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	if p.ID != "" {
		if err := a.o.Engine.Unsilence(r.Context(), p.ID); err != nil && !errors.Is(err, alerts.ErrNotFound) {
			fail(w, http.StatusInternalServerError, err)
			return
		}
	}
	answer(w, http.StatusOK, map[string]string{"silenceID": s.ID})
}

func (a *API) deleteSilence(w http.ResponseWriter, r *http.Request) {
	switch err := a.o.Engine.Unsilence(r.Context(), r.PathValue("id")); {
	case errors.Is(err, alerts.ErrNotFound):
		w.WriteHeader(http.StatusNotFound)
	case err != nil:
		fail(w, http.StatusInternalServerError, err)
	default:
		w.WriteHeader(http.StatusOK)
	}
}

func (a *API) getStatus(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, status200{
		Cluster: cluster{Status: "disabled", Peers: []string{}}, Config: config{a.o.Config()}, Uptime: a.started,
		VersionInfo: versionInfo{Version: a.o.Version, Revision: a.o.Revision},
	})
}
