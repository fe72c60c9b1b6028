package redirect

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

func (r *Redirector) serveWeights(w http.ResponseWriter, q *http.Request) {
	group := q.FormValue("group")
	if group == "" && len(r.conf.Groups) == 1 {
		group = r.conf.Groups[0].Group
	}
	if !slices.Contains(r.conf.Names(), group) {
		http.Error(w, fmt.Sprintf("no group %q is weighed; ask for one with ?group=NAME: %s", group, strings.Join(r.conf.Names(), ", ")), http.StatusNotFound)
		return
	}
	all, ok := r.Weights(group)
	if !ok {
		w.Header().Set("Retry-After", "1")
		http.Error(w, fmt.Sprintf("who is in group %q is not known yet", group), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	if q.FormValue("format") == "json" || strings.Contains(q.Header.Get("Accept"), "application/json") {
		w.Header().Set("Content-Type", "application/json")
		if all == nil {
			all = []Weight{}
		}
		_ = json.NewEncoder(w).Encode(all) // the client has gone
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	for _, s := range all {
		fmt.Fprintf(w, "%s %s %d %s\n", s.Server, s.Address, s.Weight, s.State)
	}
}
