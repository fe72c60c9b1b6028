package autoscale

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Handler answers
//
//	GET /api/groups                        all groups
//	GET /api/groups/{name}                 one group
//	GET /api/groups/{name}/decisions       what it decided, newest first: limit, before (an entry's number), since
//	GET /api/groups/{name}/decisions/{ref} one decision
//	GET /api/groups/{name}/why             why this capacity, and why not more or less: at
//	GET /api/groups/{name}/audit           who did what and when, newest first
//	GET /api/groups/{name}/config          the configuration in force, or with digest an earlier one
//	GET /api/groups/{name}/images          what it may be launched of, and what is chosen
//	GET /api/groups/{name}/journal         the newest entries, oldest first: limit, all=1 (groups)
//	GET /api/groups/{name}/journal/check   whether the chain of all groups' entries is whole
//
// with [View], [Record], [Why], [Audit], [Setup], [Line] and [Chain] as JSON, and in a View the
// metric's newest value as "value" (null while it is missing). Times are RFC
// 3339 or seconds since 1970.
func (c *Controller) Handler() http.Handler {
	mux := http.NewServeMux()
	get := func(pattern string, answer func(q *query, name string) (any, error)) {
		mux.HandleFunc("GET /api/groups"+pattern, func(w http.ResponseWriter, r *http.Request) {
			q := &query{Request: r, values: r.URL.Query()}
			v, err := answer(q, r.PathValue("name"))
			switch {
			case q.err != nil:
				reply(w, http.StatusBadRequest, map[string]string{"error": q.err.Error()})
			case err != nil:
				fail(w, err)
			default:
				reply(w, http.StatusOK, v)
			}
		})
	}
	get("", func(*query, string) (any, error) {
		views := c.Views()
		out := make([]viewJSON, len(views))
		for i, v := range views {
			out[i] = jsonView(v)
		}
		return out, nil
	})
	get("/{name}", func(_ *query, name string) (any, error) {
		v, err := c.View(name)
		return jsonView(v), err
	})
	get("/{name}/decisions", func(q *query, name string) (any, error) {
		p := Page{Before: uint64(q.number("before", 0)), Since: q.time("since"), Limit: q.number("limit", 50)}
		if q.err != nil {
			return nil, nil
		}
		return c.Records(name, p)
	})
	get("/{name}/decisions/{ref}", func(q *query, name string) (any, error) { return c.Record(name, q.PathValue("ref")) })
	get("/{name}/images", func(_ *query, name string) (any, error) { return c.Images(name) })
	get("/{name}/why", func(q *query, name string) (any, error) {
		if at := q.time("at"); q.err == nil {
			return c.Why(name, at)
		}
		return nil, nil
	})
	get("/{name}/audit", func(_ *query, name string) (any, error) { return c.Audit(name) })
	get("/{name}/config", func(q *query, name string) (any, error) {
		s, err := c.Setup(name, q.values.Get("digest"))
		return setupJSON{s, s.Group.Settings()}, err
	})
	get("/{name}/journal", func(q *query, name string) (any, error) {
		if q.values.Get("all") == "1" {
			name = ""
		}
		return c.Lines(name, q.number("limit", 100))
	})
	get("/{name}/journal/check", func(_ *query, name string) (any, error) {
		if _, err := c.group(name); err != nil {
			return nil, err
		}
		return c.Check()
	})
	return mux
}

// A query reads the parameters of a request. The first that cannot be read is
// its error.
type query struct {
	*http.Request
	values url.Values
	err    error
}

func (q *query) bad(name, want string) {
	if q.err == nil {
		q.err = fmt.Errorf("autoscale: %s=%.40q: want %s", name, q.values.Get(name), want)
	}
}

// number is a parameter of 1 or more.
func (q *query) number(name string, without int) int {
	s := q.values.Get(name)
	if s == "" {
		return without
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		q.bad(name, "a number from 1 on")
	}
	return n
}

func (q *query) time(name string) time.Time {
	s := q.values.Get(name)
	if s == "" {
		return time.Time{}
	}
	if sec, err := strconv.ParseFloat(s, 64); err == nil && math.Abs(sec) < 1e11 {
		return time.UnixMilli(int64(sec * 1000))
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		q.bad(name, "RFC 3339 or seconds since 1970")
	}
	return t
}

// Commands answers
//
//	POST /api/groups/{name}/stop?by=WHO    pulls the stop switch
//	POST /api/groups/{name}/start?by=WHO   releases it
//	POST /api/groups/{name}/take-over?by=WHO
//	POST /api/groups/{name}/apply?by=WHO   carries the present decision of a dry run out, once: decision (its terms)
//	POST /api/groups/{name}/ask            says what another configuration, the body, would decide now
//	POST /api/groups/{name}/down?for=2h&by=WHO   has it shut down for so long; up keeps it up
//	POST /api/groups/{name}/refresh        replaces what is outdated, or turns that: do=start, pause, resume, back-out, abort
//	POST /api/groups/{name}/check          asks the cloud what it would allow
//
// with the group as it is then, a [Decision] or a [Preflight]. It does not ask
// who is allowed to: that is for whoever mounts it.
func (c *Controller) Commands() http.Handler {
	mux := http.NewServeMux()
	post := func(command string, answer func(r *http.Request, name string) (any, error)) {
		mux.HandleFunc("POST /api/groups/{name}/"+command, func(w http.ResponseWriter, r *http.Request) {
			v, err := answer(r, r.PathValue("name"))
			if err != nil {
				fail(w, err)
				return
			}
			reply(w, http.StatusOK, v)
		})
	}
	view := func(name string, err error) (any, error) {
		if err != nil {
			return nil, err
		}
		v, err := c.View(name)
		return jsonView(v), err
	}
	by := func(r *http.Request) string { return r.URL.Query().Get("by") }
	post("stop", func(r *http.Request, name string) (any, error) { return view(name, c.Stop(r.Context(), name, by(r))) })
	post("start", func(r *http.Request, name string) (any, error) { return view(name, c.Start(r.Context(), name, by(r))) })
	post("apply", func(r *http.Request, name string) (any, error) {
		return c.Apply(r.Context(), name, r.URL.Query().Get("decision"), by(r))
	})
	post("ask", func(r *http.Request, name string) (any, error) {
		var conf Group
		if err := json.NewDecoder(io.LimitReader(r.Body, maxConfig)).Decode(&conf); err != nil {
			return nil, fmt.Errorf("autoscale: %w: %w", ErrBadConfig, err)
		}
		return c.Ask(name, conf)
	})
	post("check", func(r *http.Request, name string) (any, error) { return c.Preflight(r.Context(), name) })
	post("take-over", func(r *http.Request, name string) (any, error) {
		return view(name, c.TakeOver(r.Context(), name, by(r)))
	})
	order := func(down bool) func(*http.Request, string) (any, error) {
		return func(r *http.Request, name string) (any, error) {
			last, err := time.ParseDuration(r.URL.Query().Get("for"))
			if err != nil {
				return nil, fmt.Errorf("autoscale: %w: for: want a duration such as 2h: %w", ErrBadOrder, err)
			}
			return view(name, c.Order(r.Context(), name, down, last, by(r)))
		}
	}
	post("up", order(false))
	post("down", order(true))
	post("refresh", func(r *http.Request, name string) (any, error) {
		return view(name, c.orderedRefresh(r.Context(), name, r.URL.Query().Get("do"), by(r)))
	})
	c.commandsToAll(mux)
	return mux
}

// maxConfig is the longest configuration of a group that is read.
const maxConfig = 256 << 10

// setupJSON is a Setup, and the same as names and values.
type setupJSON struct {
	Setup
	Settings []Setting `json:"settings"`
}

// viewJSON is a View whose missing value is null: JSON knows no NaN.
type viewJSON struct {
	View
	Value *float64 `json:"value"`
}

func jsonView(v View) viewJSON {
	if !finite(v.Value) {
		return viewJSON{View: v}
	}
	return viewJSON{View: v, Value: &v.Value}
}

func fail(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	switch {
	case errors.Is(err, ErrNoGroup), errors.Is(err, ErrNoDecision), errors.Is(err, ErrNoSetup):
		status = http.StatusNotFound
	case errors.Is(err, ErrNoPreflight), errors.Is(err, ErrNoRefresh):
		status = http.StatusNotImplemented
	case errors.Is(err, ErrEnded):
		status = http.StatusServiceUnavailable
	case errors.Is(err, ErrBadConfig), errors.Is(err, ErrBadOrder):
		status = http.StatusBadRequest
	case errors.Is(err, ErrChanged), errors.Is(err, ErrNothing):
		status = http.StatusConflict
	}
	reply(w, status, map[string]string{"error": err.Error()})
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	// The only failure left is a reader who went away.
	_ = enc.Encode(v)
}
