package event

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Bounds of the API.
const (
	maxBody  = 64 << 10
	defLimit = 1000
)

// Handler answers what may be read:
//
//	GET /api/events?from=-7d&to=now&tag=deploy&group=web&host=web-1&q=1.2&limit=100   newest first
//	GET /api/events/ID
//
// tag may be repeated: each of them must be there. q is words; each must stand
// somewhere in the event, and may be tag:deploy, group:web, who:ann.
func (s *Store) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/events", s.serveList)
	mux.HandleFunc("GET /api/events/{id}", func(w http.ResponseWriter, r *http.Request) {
		e, err := s.Get(r.PathValue("id"))
		if err != nil {
			writeError(w, statusOf(err), err)
			return
		}
		writeJSON(w, http.StatusOK, e)
	})
	return mux
}

// Commands answers what changes something; who mounts it must guard it. caller
// says who sends a request.
//
//	POST   /api/events      {"title": "deploy 1.2.3", "at": "-5m", "until": "now", "tags": ["deploy"], "group": "web",
//	                         "text": "", "labels": {}, "who": "", "link": "", "key": ""}    201, 200 where the key is known
//	DELETE /api/events/ID
//
// The fields may also come as a form (tag and label=NAME=VALUE, repeated).
func (s *Store) Commands(caller func(*http.Request) string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/events", func(w http.ResponseWriter, r *http.Request) { s.serveAdd(w, r, caller(r)) })
	mux.HandleFunc("DELETE /api/events/{id}", func(w http.ResponseWriter, r *http.Request) {
		who := caller(r)
		if by := r.FormValue("by"); by != "" {
			who += ": " + by
		}
		e, err := s.Remove(r.Context(), r.PathValue("id"), who, time.Now())
		if err != nil {
			writeError(w, statusOf(err), err)
			return
		}
		writeJSON(w, http.StatusOK, Answer{Outcome: Dropped, ID: e.ID})
	})
	return mux
}

func (s *Store) serveList(w http.ResponseWriter, r *http.Request) {
	q, err := parseQuery(r.URL.Query(), time.Now())
	if err != nil {
		writeError(w, http.StatusBadRequest, err)
		return
	}
	writeJSON(w, http.StatusOK, append([]Event{}, s.List(q)...))
}

func parseQuery(v url.Values, now time.Time) (q Query, err error) {
	q = Query{Tags: v["tag"], Text: v.Get("q"), Limit: defLimit, Labels: map[string]string{}}
	for _, f := range []struct {
		name string
		to   *time.Time
	}{{"from", &q.From}, {"to", &q.To}} {
		if s := v.Get(f.name); s != "" {
			if *f.to, err = ParseTime(s, now); err != nil {
				return q, fmt.Errorf("event: %s: %w", f.name, err)
			}
		}
	}
	for _, name := range []string{"group", "host", "role"} {
		if s := v.Get(name); s != "" {
			q.Labels[name] = s
		}
	}
	if s := v.Get("limit"); s != "" {
		if q.Limit, err = strconv.Atoi(s); err != nil || q.Limit < 1 || q.Limit > maxKeep {
			return q, fmt.Errorf("event: limit %q: want 1 to %d", s, maxKeep)
		}
	}
	if len(q.Text) > maxText || len(q.Tags) > maxTags {
		return q, fmt.Errorf("event: q has at most %d bytes, and there are at most %d tags", maxText, maxTags)
	}
	return q, nil
}

// An order is the body of POST /api/events.
type order struct {
	Title  string            `json:"title"`
	Text   string            `json:"text"`
	At     stampText         `json:"at"`
	Until  stampText         `json:"until"`
	Tags   []string          `json:"tags"`
	Group  string            `json:"group"`
	Host   string            `json:"host"`
	Role   string            `json:"role"`
	Labels map[string]string `json:"labels"`
	Who    string            `json:"who"`
	Link   string            `json:"link"`
	Key    string            `json:"key"`
}

func (o *order) event(now time.Time) (e Event, err error) {
	e = Event{Title: o.Title, Text: o.Text, Tags: o.Tags, Labels: o.Labels, Who: o.Who, Link: o.Link, Key: o.Key, Source: SourceAPI}
	if e.At, err = o.At.time(now); err != nil {
		return e, fmt.Errorf("event: at: %w", err)
	}
	if e.End, err = o.Until.time(now); err != nil {
		return e, fmt.Errorf("event: until: %w", err)
	}
	for name, v := range map[string]string{"group": o.Group, "host": o.Host, "role": o.Role} {
		if v != "" {
			if e.Labels == nil {
				e.Labels = map[string]string{}
			}
			e.Labels[name] = v
		}
	}
	return e, nil
}

// form reads an order from a form.
func (o *order) form(f url.Values) error {
	o.Title, o.Text, o.Who, o.Link, o.Key = f.Get("title"), f.Get("text"), f.Get("who"), f.Get("link"), f.Get("key")
	o.At, o.Until, o.Group, o.Host, o.Role = stampText(f.Get("at")), stampText(f.Get("until")), f.Get("group"), f.Get("host"), f.Get("role")
	o.Tags = f["tag"]
	for _, l := range f["label"] {
		name, value, ok := strings.Cut(l, "=")
		if !ok {
			return fmt.Errorf("event: label %q: want NAME=VALUE", shorten(l, 40))
		}
		if o.Labels == nil {
			o.Labels = map[string]string{}
		}
		o.Labels[name] = value
	}
	return nil
}

func (s *Store) serveAdd(w http.ResponseWriter, r *http.Request, caller string) {
	var o order
	err := readJSON(w, r, &o, o.form)
	var e Event
	now := time.Now()
	if err == nil {
		e, err = o.event(now)
	}
	if err != nil {
		s.stats.refuse("bad")
		writeError(w, http.StatusBadRequest, err)
		return
	}
	if e.Who == "" && e.Key == "" { // news of what is known keeps who it was
		e.Who = caller
	}
	s.answerAdd(w, r.Context(), e, now)
}

func (s *Store) answerAdd(w http.ResponseWriter, ctx context.Context, e Event, now time.Time) {
	done, what, err := s.Add(ctx, e, now)
	if err != nil {
		writeError(w, statusOf(err), err)
		return
	}
	code := http.StatusOK
	if what == Added {
		code = http.StatusCreated
	}
	writeJSON(w, code, struct {
		Event
		Outcome Outcome `json:"outcome"`
	}{done, what})
}

// readJSON decodes a body, or what a form says of it.
func readJSON(w http.ResponseWriter, r *http.Request, v any, form func(url.Values) error) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") && form != nil {
		if err := r.ParseForm(); err != nil {
			return fmt.Errorf("event: form: %w", err)
		}
		return form(r.Form)
	}
	d := json.NewDecoder(r.Body)
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("event: body: want JSON: %w", err)
	}
	return nil
}

func statusOf(err error) int {
	switch {
	case errors.Is(err, ErrNotFound):
		return http.StatusNotFound
	case errors.Is(err, ErrBad):
		return http.StatusBadRequest
	}
	return http.StatusServiceUnavailable
}

func writeJSON(w http.ResponseWriter, code int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		writeError(w, http.StatusInternalServerError, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(append(b, '\n')) // the client is gone: nobody to tell
}

func writeError(w http.ResponseWriter, code int, err error) {
	b, _ := json.Marshal(map[string]string{"error": err.Error()}) // strings always marshal
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(append(b, '\n'))
}
