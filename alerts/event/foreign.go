package event

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The sources that are none of the configuration.
const (
	SourceAPI       = "api"
	SourceGrafana   = "grafana"
	SourceGraphite  = "graphite"
	SourceAutoscale = "autoscale"
)

// Grafana answers what may be read of Grafana's annotations API, as its clients
// know it (grafana.com, "Annotations HTTP API"):
//
//	GET /api/annotations?from=MS&to=MS&tags=a&tags=b&limit=100&matchAny=true
func (s *Store) Grafana() http.Handler { return http.HandlerFunc(s.serveAnnotations) }

// GrafanaCommands answers what changes something:
//
//	POST   /api/annotations            {"time": MS, "timeEnd": MS, "tags": [], "text": ""}
//	POST   /api/annotations/graphite   {"what": "", "tags": [], "when": S, "data": ""}
//	PATCH  /api/annotations/ID         (PUT too) what is given replaces
//	DELETE /api/annotations/ID
//
// Dashboards and panels are not looked at: all events are on all graphs that
// they are about. A tag such as group:web becomes a label.
func (s *Store) GrafanaCommands(caller func(*http.Request) string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/annotations", func(w http.ResponseWriter, r *http.Request) { s.annotate(w, r, caller(r)) })
	mux.HandleFunc("POST /api/annotations/graphite", func(w http.ResponseWriter, r *http.Request) {
		s.takeGraphite(w, r, caller(r), func(e Event) any {
			return map[string]any{"message": "Graphite annotation added", "id": e.Number()}
		})
	})
	mux.HandleFunc("PATCH /api/annotations/{id}", s.reannotate)
	mux.HandleFunc("PUT /api/annotations/{id}", s.reannotate)
	mux.HandleFunc("DELETE /api/annotations/{id}", func(w http.ResponseWriter, r *http.Request) {
		id, err := numbered(r.PathValue("id"))
		if err == nil {
			_, err = s.Remove(r.Context(), id, caller(r), time.Now())
		}
		if err != nil {
			writeError(w, statusOf(err), err)
			return
		}
		writeJSON(w, http.StatusOK, map[string]string{"message": "Annotation deleted"})
	})
	return mux
}

// Graphite answers what may be read of Graphite's events (graphite-web's
// documentation, "Graphite Events"):
//
//	GET /events/get_data?from=-1h&until=now&tags=a b&set=union
func (s *Store) Graphite() http.Handler { return http.HandlerFunc(s.serveGraphite) }

// GraphiteCommands answers POST /events/ {"what": "", "tags": "a b", "when": S, "data": ""}.
func (s *Store) GraphiteCommands(caller func(*http.Request) string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.takeGraphite(w, r, caller(r), func(e Event) any { return map[string]any{"id": e.Number()} })
	})
}

// An annotation is an event in Grafana's words.
type annotation struct {
	ID      int64    `json:"id"`
	Time    int64    `json:"time"`
	TimeEnd int64    `json:"timeEnd"`
	Text    string   `json:"text"`
	Tags    []string `json:"tags"`
	Login   string   `json:"login"`
	Created int64    `json:"created"`
	Updated int64    `json:"updated"`
}

func (s *Store) serveAnnotations(w http.ResponseWriter, r *http.Request) {
	v, now := r.URL.Query(), time.Now()
	q := Query{Tags: v["tags"], Any: v.Get("matchAny") == "true", Limit: 100}
	var err error
	for name, to := range map[string]*time.Time{"from": &q.From, "to": &q.To} {
		if text := v.Get(name); text != "" && err == nil {
			*to, err = ParseTime(text, now)
		}
	}
	if text := v.Get("limit"); text != "" && err == nil {
		q.Limit, err = strconv.Atoi(text)
		q.Limit = min(max(q.Limit, 1), maxKeep)
	}
	if err != nil {
		writeError(w, http.StatusBadRequest, fmt.Errorf("event: %w", err))
		return
	}
	out := []annotation{}
	for _, e := range s.listed(q) {
		text := e.Title
		if e.Text != "" {
			text += "\n" + e.Text
		}
		added := e.Added.UnixMilli()
		out = append(out, annotation{e.Number(), e.At.UnixMilli(), e.Last().UnixMilli(), text, flatTags(&e), e.Who, added, added})
	}
	writeJSON(w, http.StatusOK, out)
}

// flatTags are an event's tags, and its labels as tags.
func flatTags(e *Event) []string {
	tags := append([]string{}, e.Tags...)
	for k, v := range e.Labels {
		tags = append(tags, k+":"+v)
	}
	slices.Sort(tags[len(e.Tags):])
	return tags
}

// listed is List, where tags such as group:web mean labels.
func (s *Store) listed(q Query) []Event {
	if q.Any {
		return s.List(q)
	}
	tags, labels := splitTags(q.Tags)
	q.Tags, q.Labels = tags, labels
	return s.List(q)
}

// splitTags takes out of tags what are labels: group:web, host:web-1, role:db.
func splitTags(tags []string) (plain []string, labels map[string]string) {
	for _, t := range tags {
		name, value, ok := strings.Cut(t, ":")
		if !ok || value == "" || !slices.Contains([]string{"group", "host", "role"}, name) {
			plain = append(plain, t)
			continue
		}
		if labels == nil {
			labels = map[string]string{}
		}
		labels[name] = value
	}
	return plain, labels
}

// An annotated is what Grafana's clients post.
type annotated struct {
	Time    stampText `json:"time"`
	TimeEnd stampText `json:"timeEnd"`
	Text    string    `json:"text"`
	Tags    []string  `json:"tags"`
}

func (a annotated) event(now time.Time) (e Event, err error) {
	title, text, _ := strings.Cut(strings.TrimSpace(a.Text), "\n")
	if len(title) > maxTitle {
		title, text = shorten(title, maxTitle), a.Text
	}
	e = Event{Title: title, Text: shorten(text, maxText), Source: SourceGrafana}
	e.Tags, e.Labels = splitTags(a.Tags)
	if e.At, err = a.Time.time(now); err == nil {
		e.End, err = a.TimeEnd.time(now)
	}
	if e.End.Equal(e.At) { // an instant, as its clients write it
		e.End = time.Time{}
	}
	return e, err
}

func (s *Store) annotate(w http.ResponseWriter, r *http.Request, caller string) {
	e, now, ok := s.readAnnotated(w, r)
	if !ok {
		return
	}
	e.Who = caller
	done, _, err := s.Add(r.Context(), e, now)
	if err != nil {
		writeError(w, statusOf(err), err)
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"message": "Annotation added", "id": done.Number()})
}

// readAnnotated reads a body, or answers what is wrong with it.
func (s *Store) readAnnotated(w http.ResponseWriter, r *http.Request) (e Event, now time.Time, ok bool) {
	var a annotated
	now = time.Now()
	err := readJSON(w, r, &a, nil)
	if err == nil {
		e, err = a.event(now)
	}
	if err != nil {
		s.stats.refuse("bad")
		writeError(w, http.StatusBadRequest, err)
	}
	return e, now, err == nil
}

func (s *Store) reannotate(w http.ResponseWriter, r *http.Request) {
	id, err := numbered(r.PathValue("id"))
	if err != nil {
		writeError(w, http.StatusNotFound, err)
		return
	}
	news, now, ok := s.readAnnotated(w, r)
	if !ok {
		return
	}
	if _, err := s.Amend(r.Context(), id, news, now); err != nil {
		writeError(w, statusOf(err), err)
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{"message": "Annotation patched"})
}

// numbered is the ID that Grafana's clients know by a number.
func numbered(text string) (string, error) {
	n, err := strconv.ParseUint(text, 10, idBits)
	if err != nil {
		return "", fmt.Errorf("%w: %q", ErrNotFound, shorten(text, 40))
	}
	return formatID(n), nil
}

// A graphiteEvent is an event in Graphite's words.
type graphiteEvent struct {
	ID   int64        `json:"id,omitempty"`
	What string       `json:"what"`
	When stampText    `json:"when"`
	Data string       `json:"data"`
	Tags graphiteTags `json:"tags"`
}

// graphiteTags come as a list, or as words in a text.
type graphiteTags []string

// UnmarshalJSON implements json.Unmarshaler.
func (t *graphiteTags) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '[' {
		return json.Unmarshal(b, (*[]string)(t))
	}
	var text string
	err := json.Unmarshal(b, &text)
	*t = strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ',' })
	return err
}

func (s *Store) takeGraphite(w http.ResponseWriter, r *http.Request, caller string, answer func(Event) any) {
	var g graphiteEvent
	now := time.Now()
	err := readJSON(w, r, &g, nil)
	var at time.Time
	if err == nil {
		at, err = g.When.time(now)
	}
	if err != nil {
		s.stats.refuse("bad")
		writeError(w, http.StatusBadRequest, err)
		return
	}
	e := Event{Title: shorten(g.What, maxTitle), Text: shorten(g.Data, maxText), At: at, Who: caller, Source: SourceGraphite}
	e.Tags, e.Labels = splitTags(g.Tags)
	done, _, err := s.Add(r.Context(), e, now)
	if err != nil {
		writeError(w, statusOf(err), err)
		return
	}
	writeJSON(w, http.StatusOK, answer(done))
}

func (s *Store) serveGraphite(w http.ResponseWriter, r *http.Request) {
	q, err := graphiteQuery(r.URL.Query(), time.Now())
	if err != nil {
		writeError(w, http.StatusBadRequest, fmt.Errorf("event: %w", err))
		return
	}
	type shown struct {
		ID   int64    `json:"id"`
		What string   `json:"what"`
		When int64    `json:"when"`
		Data string   `json:"data"`
		Tags []string `json:"tags"`
	}
	out := []shown{}
	for _, e := range s.listed(q) {
		out = append(out, shown{e.Number(), e.Title, e.At.Unix(), e.Text, flatTags(&e)})
	}
	writeJSON(w, http.StatusOK, out)
}

func graphiteQuery(v url.Values, now time.Time) (q Query, err error) {
	q = Query{Tags: strings.Fields(v.Get("tags")), Any: v.Get("set") == "union", To: now, Limit: maxKeep}
	for name, to := range map[string]*time.Time{"from": &q.From, "until": &q.To} {
		if text := v.Get(name); text != "" && err == nil {
			*to, err = ParseTime(text, now)
		}
	}
	return q, err
}
