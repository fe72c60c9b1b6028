package autoscale

import (
	"encoding/json"
	"errors"
	"net/http"
)

// Handler answers
//
//	GET /api/groups          all groups
//	GET /api/groups/{name}   one group
//
// with [View] as JSON, and the metric's newest value as "value" (null while it
// is missing).
func (c *Controller) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/groups", func(w http.ResponseWriter, _ *http.Request) {
		views := c.Views()
		out := make([]viewJSON, len(views))
		for i, v := range views {
			out[i] = jsonView(v)
		}
		reply(w, http.StatusOK, out)
	})
	mux.HandleFunc("GET /api/groups/{name}", func(w http.ResponseWriter, r *http.Request) {
		v, err := c.View(r.PathValue("name"))
		if err != nil {
			fail(w, err)
			return
		}
		reply(w, http.StatusOK, jsonView(v))
	})
	return mux
}

// Commands answers
//
//	POST /api/groups/{name}/stop?by=WHO    pulls the stop switch
//	POST /api/groups/{name}/start?by=WHO   releases it
//
// with the group as it is then. It does not ask who is allowed to: that is for
// whoever mounts it.
func (c *Controller) Commands() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/groups/{name}/{command}", func(w http.ResponseWriter, r *http.Request) {
		do := c.Start
		switch r.PathValue("command") {
		case "start":
		case "stop":
			do = c.Stop
		default:
			http.NotFound(w, r)
			return
		}
		name := r.PathValue("name")
		if err := do(r.Context(), name, r.URL.Query().Get("by")); err != nil {
			fail(w, err)
			return
		}
		v, err := c.View(name)
		if err != nil {
			fail(w, err)
			return
		}
		reply(w, http.StatusOK, jsonView(v))
	})
	return mux
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
	case errors.Is(err, ErrNoGroup):
		status = http.StatusNotFound
	case errors.Is(err, ErrEnded):
		status = http.StatusServiceUnavailable
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
