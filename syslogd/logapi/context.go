package logapi

import (
	"errors"
	"fmt"
	"net/http"

	"rondo/syslogd"
	"rondo/syslogd/syslog"
)

// context answers {"before": [...], "message": {...}, "after": [...]}, in
// order of reception: of the message's host, or with host=all of every one.
func (a *api) context(w http.ResponseWriter, r *http.Request) {
	before, err := count(r, "before", defaultNear, 0, syslogd.MaxContext)
	after := 0
	if err == nil {
		after, err = count(r, "after", defaultNear, 0, syslogd.MaxContext)
	}
	host := r.URL.Query().Get("host")
	if err == nil && host != "" && host != "own" && host != "all" {
		err = fmt.Errorf("host %q: want own or all", host)
	}
	id := syslogd.ID(r.URL.Query().Get("id"))
	if err == nil {
		_, err = id.Received()
	}
	if err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	c, err := a.logs.Context(r.Context(), id, before, after, host != "all")
	switch {
	case errors.Is(err, syslogd.ErrNoMessage):
		fail(w, http.StatusNotFound, err)
	case err != nil:
		fail(w, http.StatusInternalServerError, err)
	default:
		writeJSON(w, http.StatusOK, map[string]any{"before": jsonList(c.Before), "message": jsonMessage(&c.Message), "after": jsonList(c.After)})
	}
}

func jsonList(list []syslog.Message) []message {
	out := make([]message, len(list))
	for i := range list {
		out[i] = jsonMessage(&list[i])
	}
	return out
}

// explain answers how a query is answered: query.Explanation.
func (a *api) explain(w http.ResponseWriter, r *http.Request) {
	q, err := parse(r)
	limit := 0
	if err == nil {
		limit, err = q.limit(r)
	}
	if err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	e, err := q.Explain(r.Context(), a.logs, q.Options, limit)
	if err != nil {
		failCount(w, err)
		return
	}
	writeJSON(w, http.StatusOK, e)
}
