package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"rondo/rrd"
	"rondo/rrd/promql"
	"rondo/rrd/seglog"
	"rondo/rrd/store"
)

// mountSeries mounts what `rondo series` asks.
func (s *server) mountSeries(handle, command func(pattern string, h http.Handler)) {
	handle("GET /api/series", answer(s.seriesList))
	handle("GET /api/series/show", answer(s.seriesShow))
	handle("GET /api/series/changes", answer(s.seriesChanges))
	command("POST /api/series/change", answer(s.seriesChange))
	command("POST /api/series/stop", answer(s.seriesStop))
	command("POST /api/series/rename", answer(s.seriesRename))
	s.mountCorrections(handle, command)
}

// answer makes a handler of a function that answers with JSON, or an error.
func answer(f func(*http.Request, url.Values) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, err := f(r, r.URL.Query())
		w.Header().Set("Content-Type", "application/json")
		if err != nil {
			w.WriteHeader(statusOf(err))
			v = map[string]string{"error": err.Error()}
		}
		_ = json.NewEncoder(w).Encode(v) // the asker has gone
	})
}

// statusOf tells what is not there, what something else is in the way of, and
// what may succeed later from a question that is wrong.
func statusOf(err error) int {
	is := func(kinds ...error) bool {
		return slices.ContainsFunc(kinds, func(kind error) bool { return errors.Is(err, kind) })
	}
	switch {
	case is(errNoRole, rrd.ErrNoSet, store.ErrNoSeries, store.ErrNoMatch):
		return http.StatusNotFound
	case is(rrd.ErrSetExists, store.ErrSetChanging, store.ErrSeriesName, store.ErrChanging, store.ErrNoChange, store.ErrOpenSlot, store.ErrNotWhole):
		return http.StatusConflict
	case is(store.ErrBacklog, seglog.ErrFull, seglog.ErrClosed):
		return http.StatusServiceUnavailable
	}
	return http.StatusBadRequest
}

// limitOf reads how many are wanted at most; 0 is all.
func limitOf(q url.Values) (int, error) {
	text := q.Get("limit")
	if text == "" {
		return 0, nil
	}
	limit, err := strconv.Atoi(text)
	if err != nil || limit < 0 {
		return 0, fmt.Errorf("limit %q: want a number", text)
	}
	return limit, nil
}

// matcher reads a glob over names or a PromQL selector; nothing is all series.
func matcher(text string) ([]rrd.Matcher, error) {
	switch {
	case text == "":
		return nil, nil
	case strings.ContainsAny(text, "{"):
		ms, err := promql.Selector(text)
		if err != nil {
			return nil, fmt.Errorf("matcher %s: %w", text, err)
		}
		return ms, nil
	case strings.ContainsAny(text, "*?"):
		expr := strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(text))
		return []rrd.Matcher{{Label: rrd.NameLabel, Op: rrd.Regexp, Value: expr}}, nil
	}
	return []rrd.Matcher{{Label: rrd.NameLabel, Value: text}}, nil
}

// keyOf reads one series' whole identity: a name, or a selector of equalities.
func keyOf(text string) (rrd.Key, error) {
	if !strings.Contains(text, "{") {
		return rrd.NewKey(text)
	}
	ms, err := promql.Selector(text)
	if err != nil {
		return "", fmt.Errorf("series %s: %w", text, err)
	}
	name, labels := "", []rrd.Label(nil)
	for _, m := range ms {
		switch {
		case m.Op != rrd.Equal:
			return "", fmt.Errorf("series %s: want label=\"value\" only", text)
		case m.Label == rrd.NameLabel:
			name = m.Value
		default:
			labels = append(labels, rrd.Label{Name: m.Label, Value: m.Value})
		}
	}
	return rrd.NewKey(name, labels...)
}

func (s *server) seriesList(_ *http.Request, q url.Values) (any, error) {
	ms, err := matcher(q.Get("match"))
	if err != nil {
		return nil, err
	}
	limit, err := limitOf(q)
	if err != nil {
		return nil, err
	}
	return s.stores.metrics.Describe(ms, limit, false)
}

func (s *server) seriesShow(_ *http.Request, q url.Values) (any, error) {
	key, err := keyOf(q.Get("key"))
	if err != nil {
		return nil, err
	}
	var ms []rrd.Matcher
	for _, l := range key.Labels() {
		ms = append(ms, rrd.Matcher{Label: l.Name, Value: l.Value})
	}
	infos, err := s.stores.metrics.Describe(ms, 0, true)
	if err != nil {
		return nil, err
	}
	for _, info := range infos {
		if info.Key == key.String() {
			return info, nil
		}
	}
	if len(infos) > 0 && infos[0].Set && len(key.Labels()) == 1 {
		return setInfo(key, infos), nil
	}
	return nil, fmt.Errorf("%w as %s; `rondo series list` shows those there are", store.ErrNoSeries, key)
}

// setInfo is a set as a whole, of what is known of its data sources.
func setInfo(key rrd.Key, sources []store.Info) store.Info {
	info := store.Info{
		Key: key.String(), Set: true, Type: "set", Step: sources[0].Step,
		Newest: sources[0].Newest, Schema: true, Archives: sources[0].Archives,
	}
	for _, s := range sources {
		info.Sources = append(info.Sources, store.Source{Key: s.Key, Type: s.Type})
	}
	return info
}

func (s *server) seriesChanges(*http.Request, url.Values) (any, error) {
	p, _ := s.stores.metrics.Changing()
	differ, err := s.stores.metrics.Differ()
	return struct {
		store.Progress
		Differ int `json:"differ"`
	}{p, differ}, err
}

func (s *server) seriesChange(_ *http.Request, q url.Values) (any, error) {
	c, err := changeOf(q)
	if err != nil {
		return nil, err
	}
	if q.Get("dry") != "" {
		return s.stores.metrics.Estimate(c)
	}
	p, err := s.stores.metrics.Change(c)
	if err == nil {
		s.log.Info("change of series begins", "what", p.What, "match", q["match"], "series", p.Total)
	}
	return p, err
}

// changeOf reads a change as the command line sends it.
func changeOf(q url.Values) (c store.Change, err error) {
	var errs []error
	for _, text := range q["match"] {
		ms, err := matcher(text)
		errs = append(errs, err)
		c.Matchers = append(c.Matchers, ms)
	}
	span := func(name string) time.Duration {
		if q.Get(name) == "" {
			return 0
		}
		d, err := store.ParseSpan(q.Get(name))
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w; want for example 10s or 5m", name, err))
		}
		return d
	}
	c.Schema = q.Get("schema") != ""
	c.Edit = store.Edit{
		Archives: q["archives"], Step: span("step"), Heartbeat: span("heartbeat"),
		Min: q.Get("min"), Max: q.Get("max"), Type: q.Get("type"),
	}
	if text := q.Get("xff"); text != "" {
		xff, err := strconv.ParseFloat(text, 64)
		if err != nil {
			errs = append(errs, fmt.Errorf("xff %q: want a number", text))
		}
		c.Edit.XFF = &xff
	}
	if !c.Schema && len(c.Matchers) == 0 {
		errs = append(errs, errors.New("match: which series?"))
	}
	return c, errors.Join(errs...)
}

func (s *server) seriesStop(*http.Request, url.Values) (any, error) {
	return struct{}{}, s.stores.metrics.StopChange()
}

func (s *server) seriesRename(_ *http.Request, q url.Values) (any, error) {
	from, err1 := keyOf(q.Get("from"))
	to, err2 := keyOf(q.Get("to"))
	err := errors.Join(err1, err2)
	if err == nil {
		err = s.stores.metrics.Rename(from, to)
	}
	if err == nil {
		s.log.Info("series is renamed", "from", from.String(), "to", to.String())
	}
	return map[string]string{"From": from.String(), "To": to.String()}, err
}
