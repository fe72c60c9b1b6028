package roster

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Paths of the API.
const (
	Path       = "/api/roster"
	EventsPath = "/api/roster/events"
)

// beat is how often a reader hears that we live where nothing else happens.
const beat = 15 * time.Second

// Handler answers GET /api/roster: who is in the groups, or in ?group=.
func (r *Roster) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		v := r.View()
		group := q.URL.Query().Get("group")
		tag := `"` + v.Tag() + `"`
		w.Header().Set("ETag", tag)
		w.Header().Set("Cache-Control", "no-cache")
		w.Header().Set("Vary", "Authorization")
		if matches(q.Header.Get("If-None-Match"), tag) {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v.Of(group)) // the reader is gone: he asks again
	})
}

// matches is RFC 9110's weak comparison of If-None-Match (section 13.1.2).
func matches(header, tag string) bool {
	for one := range strings.SplitSeq(header, ",") {
		one = strings.TrimPrefix(strings.TrimSpace(one), "W/")
		if one == tag || one == "*" {
			return true
		}
	}
	return false
}

// Events answers GET /api/roster/events: the view, and then what changes in it.
func (r *Roster) Events() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		last, group := q.Header.Get("Last-Event-ID"), q.URL.Query().Get("group")
		r.mu.Lock() // between the view and the first step nothing may come
		view := r.view
		steps, missed, known := r.feed.read(last, view.tag)
		r.mu.Unlock()
		if steps == nil {
			w.Header().Set("Retry-After", "10")
			http.Error(w, fmt.Sprintf("all %d places for readers of the roster's events are taken", MaxReaders), http.StatusServiceUnavailable)
			return
		}
		defer r.feed.leave(steps)
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Cache-Control", "no-cache")
		s := stream{w: w, control: http.NewResponseController(w), group: group}
		if !known {
			s.event("view", view.tag, view.Of(group))
		}
		for _, m := range missed {
			s.step(m)
		}
		s.flush()
		s.follow(q, steps)
	})
}

// A stream is one reader.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	group   string
	err     error
}

// follow sends steps until the reader leaves or is cut.
func (s *stream) follow(q *http.Request, steps <-chan step) {
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for s.err == nil {
		select {
		case <-q.Context().Done():
			return
		case <-tick.C:
			s.print(": beat\n\n")
		case step, ok := <-steps:
			if !ok { // it is too slow: it may come back with what it has
				return
			}
			s.step(step)
			for more := len(steps); more > 0; more-- {
				if step, ok = <-steps; ok {
					s.step(step)
				}
			}
		}
		s.flush()
	}
}

// step sends what a version brought; its ID goes with the last event, so that a
// version is had whole or not at all.
func (s *stream) step(st step) {
	var events []Event
	for _, e := range st.events {
		if s.group == "" || e.Member.Group == s.group {
			events = append(events, e)
		}
	}
	for i, e := range events {
		id := ""
		if i == len(events)-1 {
			id = st.tag
		}
		s.event(string(e.Kind), id, e)
	}
	if len(events) == 0 {
		s.print("id: " + st.tag + "\n\n")
	}
}

func (s *stream) event(name, id string, data any) {
	text, err := json.Marshal(data)
	if err != nil {
		s.err = err
		return
	}
	if id != "" {
		id = "id: " + id + "\n"
	}
	s.print("event: " + name + "\n" + id + "data: " + string(text) + "\n\n")
}

func (s *stream) print(text string) {
	if s.err == nil {
		_, s.err = s.w.Write([]byte(text))
	}
}

func (s *stream) flush() {
	if s.err == nil {
		s.err = s.control.Flush()
	}
}
