package autoscale

import (
	"context"
	"errors"
	"net/http"
)

// commandsToAll adds to mux
//
//	POST /api/groups/*/stop?by=WHO               pulls the stop switch of all groups
//	POST /api/groups/*/start?by=WHO              releases it
//	POST /api/groups/*/sweep?by=WHO&terminate=   looks for orphans; terminate=yes ends them
func (c *Controller) commandsToAll(mux *http.ServeMux) {
	all := func(do func(context.Context, string, string) error) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if err := do(r.Context(), Everything, r.URL.Query().Get("by")); err != nil {
				fail(w, err)
				return
			}
			reply(w, http.StatusOK, map[string]bool{"stopped": c.stoppedAll()})
		}
	}
	mux.HandleFunc("POST /api/groups/*/stop", all(c.Stop))
	mux.HandleFunc("POST /api/groups/*/start", all(c.Start))
	mux.HandleFunc("POST /api/groups/*/sweep", c.serveSweep)
}

func (c *Controller) serveSweep(w http.ResponseWriter, r *http.Request) {
	var s Sweep
	var err error
	if r.URL.Query().Get("terminate") == "yes" {
		s, err = c.Clear(r.Context(), r.URL.Query().Get("by"))
	} else {
		s, err = c.Sweep(r.Context())
		if err == nil {
			c.swept(s, nil)
		}
	}
	switch {
	case errors.Is(err, ErrNoSweeper):
		reply(w, http.StatusNotFound, map[string]string{"error": err.Error()})
	case err != nil:
		fail(w, err)
	default:
		reply(w, http.StatusOK, s)
	}
}
