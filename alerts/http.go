package alerts

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"time"
)

// maxBody bounds the body of a command, in bytes.
const maxBody = 64 << 10

// Handler answers what may be read:
//
//	GET /api/alerts                                  states, as Views sorts them
//	GET /api/alerts/transitions?since=-1h&limit=100  hard changes, newest first
//	GET /api/alerts/silences                         silences in force
//	GET /api/alerts/downtimes                        downtimes in force and to come
//
// since is RFC 3339, seconds since the epoch, or a duration back from now.
func (e *Engine) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/alerts", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, e.Views())
	})
	mux.HandleFunc("GET /api/alerts/transitions", e.serveTransitions)
	mux.HandleFunc("GET /api/alerts/silences", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, append([]Silence{}, e.Silences()...))
	})
	mux.HandleFunc("GET /api/alerts/downtimes", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, append([]DowntimeView{}, e.Downtimes()...))
	})
	return mux
}

// Commands answers what changes something; who mounts it must guard it.
//
//	POST   /api/alerts/silence  {"matchers": ["host=~\"web-.*\""], "for": "2h", "end_when_clear": true, "by": "", "comment": ""}
//	POST   /api/alerts/silence  {"matchers": ["host=~\"web-.*\""], "preview": true}     which states it would be about; nothing is changed
//	DELETE /api/alerts/silence?id=ID
//	POST   /api/alerts/ack      {"matchers": ["alertname=load", "host=web-1"], "sticky": true, "for": "2h", "by": "", "comment": ""}
//	DELETE /api/alerts/ack?matcher=host%3Dweb-1
//	POST   /api/alerts/downtime {"matchers": ["host=web-1"], "start": "2026-01-02T22:00:00Z", "end": "2026-01-03T02:00:00Z", "duration": "1h"}
//	POST   /api/alerts/downtime {"matchers": ["host=web-1"], "recurring": {"weekdays": ["sunday"], "from": "22:00", "to": "02:00", "location": "Europe/Berlin"}}
//	DELETE /api/alerts/downtime?id=ID
//
// The fields may also come as a form or in the query (matcher, repeated).
// until (RFC 3339) may stand for "for"; a downtime has all the fields of
// [Downtime], and "for" (or until) where it begins at once.
func (e *Engine) Commands() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/alerts/silence", e.serveSilence)
	mux.HandleFunc("DELETE /api/alerts/silence", e.serveUnsilence)
	mux.HandleFunc("POST /api/alerts/downtime", e.serveDowntime)
	mux.HandleFunc("DELETE /api/alerts/downtime", e.serveRemoveDowntime)
	mux.HandleFunc("POST /api/alerts/ack", e.serveAck)
	mux.HandleFunc("DELETE /api/alerts/ack", e.serveUnack)
	return mux
}

func (e *Engine) serveTransitions(w http.ResponseWriter, r *http.Request) {
	since, err := parseSince(r.FormValue("since"), time.Now())
	if err != nil {
		writeError(w, http.StatusBadRequest, err)
		return
	}
	ts := e.Transitions(since)
	if s := r.FormValue("limit"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			writeError(w, http.StatusBadRequest, fmt.Errorf("limit %q: want a positive number", s))
			return
		}
		ts = ts[:min(n, len(ts))]
	}
	writeJSON(w, http.StatusOK, append([]Transition{}, ts...))
}

func parseSince(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(s); err == nil {
		if d > 0 {
			d = -d
		}
		return now.Add(d), nil
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t, nil
	}
	sec, err := strconv.ParseFloat(s, 64)
	if err != nil || !(sec >= 0 && sec <= 1e11) { // NaN is neither
		return time.Time{}, fmt.Errorf("since %q: want -1h, RFC 3339 or seconds since the epoch", s)
	}
	return time.UnixMicro(int64(sec * 1e6)), nil
}

// A command is the body of a POST.
type command struct {
	Matchers []Matcher `json:"matchers"`
	For      string    `json:"for"`
	Until    time.Time `json:"until"`
	By       string    `json:"by"`
	Comment  string    `json:"comment"`
	Sticky   bool      `json:"sticky"`

	EndWhenClear bool `json:"end_when_clear"`
	Preview      bool `json:"preview"`
}

func parseCommand(w http.ResponseWriter, r *http.Request) (c command, err error) {
	if isJSON, err := readBody(w, r, &c); err != nil || isJSON {
		return c, errors.Join(err, c.check())
	}
	if c.Matchers, err = texts[Matcher](r.Form["matcher"]); err != nil {
		return c, err
	}
	c.For, c.By, c.Comment = r.Form.Get("for"), r.Form.Get("by"), r.Form.Get("comment")
	for name, to := range map[string]*bool{"sticky": &c.Sticky, "end_when_clear": &c.EndWhenClear, "preview": &c.Preview} {
		if s := r.Form.Get(name); s != "" {
			if *to, err = strconv.ParseBool(s); err != nil {
				return c, fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	if s := r.Form.Get("until"); s != "" {
		if c.Until, err = time.Parse(time.RFC3339, s); err != nil {
			return c, fmt.Errorf("until: %w", err)
		}
	}
	return c, c.check()
}

// readBody decodes a body that is JSON into v, and any other as a form.
func readBody(w http.ResponseWriter, r *http.Request, v any) (isJSON bool, err error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	// A header that cannot be parsed is that of no JSON.
	if media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); media != "application/json" {
		if err := r.ParseForm(); err != nil {
			return false, fmt.Errorf("form: %w", err)
		}
		return false, nil
	}
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return true, fmt.Errorf("body: %w", err)
	}
	return true, nil
}

// texts reads values that have a form as text.
func texts[T any, P interface {
	*T
	encoding.TextUnmarshaler
}](in []string) ([]T, error) {
	var out []T
	for _, s := range in {
		var v T
		if err := P(&v).UnmarshalText([]byte(s)); err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

func (c *command) check() error {
	if len(c.Comment) > maxText || len(c.By) > 200 {
		return fmt.Errorf("comment or name is too long: at most %d and 200 bytes", maxText)
	}
	if c.For == "" {
		return nil
	}
	d, err := time.ParseDuration(c.For)
	if err != nil {
		return fmt.Errorf("for: %w", err)
	}
	c.Until = time.Now().Add(d)
	return nil
}

func (e *Engine) serveSilence(w http.ResponseWriter, r *http.Request) {
	c, err := parseCommand(w, r)
	if err != nil {
		writeError(w, http.StatusBadRequest, err)
		return
	}
	if c.Preview {
		e.servePreview(w, c)
		return
	}
	s, err := e.Silence(r.Context(), Silence{
		Matchers: c.Matchers, Until: c.Until, By: c.By, Comment: c.Comment, EndWhenClear: c.EndWhenClear,
	})
	if err != nil {
		writeError(w, http.StatusBadRequest, err)
		return
	}
	writeJSON(w, http.StatusOK, s)
}

func (e *Engine) serveUnsilence(w http.ResponseWriter, r *http.Request) {
	if err := e.Unsilence(r.Context(), r.FormValue("id")); err != nil {
		writeError(w, codeOf(err), err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (e *Engine) serveAck(w http.ResponseWriter, r *http.Request) {
	c, err := parseCommand(w, r)
	if err != nil {
		writeError(w, http.StatusBadRequest, err)
		return
	}
	n, err := e.Ack(r.Context(), c.Matchers, Ack{By: c.By, Comment: c.Comment, Sticky: c.Sticky, Until: c.Until})
	if err != nil {
		writeError(w, codeOf(err), err)
		return
	}
	writeJSON(w, http.StatusOK, map[string]int{"acknowledged": n})
}

func (e *Engine) serveUnack(w http.ResponseWriter, r *http.Request) {
	c, err := parseCommand(w, r)
	if err != nil {
		writeError(w, http.StatusBadRequest, err)
		return
	}
	n, err := e.Unack(r.Context(), c.Matchers)
	if err != nil {
		writeError(w, codeOf(err), err)
		return
	}
	writeJSON(w, http.StatusOK, map[string]int{"withdrawn": n})
}

func codeOf(err error) int {
	if errors.Is(err, ErrNotFound) {
		return http.StatusNotFound
	}
	return http.StatusBadRequest
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
