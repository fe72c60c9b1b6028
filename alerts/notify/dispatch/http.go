package dispatch

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"rondo/alerts"
)

// maxListed bounds the groups that a page or an answer lists.
const maxListed = 1000

// A ReceiverView is what there is to see of a receiver.
type ReceiverView struct {
	Name      string            `json:"name"`
	Kind      string            `json:"kind,omitempty"` // webhook, slack ...; "" for one that nobody hears
	Rate      Rate              `json:"rate"`
	Storm     bool              `json:"storm,omitempty"`     // what comes goes into digests
	Digest    time.Time         `json:"digest_due,omitzero"` // of the next digest
	Waiting   int               `json:"waiting,omitempty"`   // groups that wait for it
	Queued    int               `json:"queued"`              // notices that are not sent yet
	Oldest    time.Time         `json:"oldest,omitzero"`     // of these
	LastTold  time.Time         `json:"last_told,omitzero"`
	LastError string            `json:"last_error,omitempty"` // of the newest try; "" if it went well
	Counts    map[string]uint64 `json:"counts"`               // see ReceiverStats
}

// Receivers returns those of the configuration, by name, and others as long as
// there is something in their queue.
func (d *Dispatcher) Receivers() []ReceiverView {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := []ReceiverView{}
	waiting := make(map[string]int)
	for _, n := range d.groups {
		for name := range n.waiting {
			waiting[name]++
		}
	}
	for _, r := range d.receivers {
		v := ReceiverView{
			Name: r.Name, Kind: r.Kind, Rate: r.Rate, Storm: r.gate.Storm, Digest: r.gate.Due(),
			Waiting: waiting[r.Name], Counts: r.stats.Snapshot(),
		}
		r.mu.Lock()
		v.Queued, v.LastTold, v.LastError = len(r.items), r.lastTold, r.lastErr
		if len(r.items) > 0 {
			v.Oldest = r.items[0].at
		}
		r.mu.Unlock()
		if r.configured || v.Queued > 0 {
			out = append(out, v)
		}
	}
	slices.SortFunc(out, func(a, b ReceiverView) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// A GroupView is what there is to see of a group.
type GroupView struct {
	Key       string               `json:"key"`
	Receiver  string               `json:"receiver,omitempty"` // "": its route is gone, and only ends are told
	Owner     string               `json:"owner,omitempty"`
	Labels    map[string]string    `json:"labels"`
	Firing    int                  `json:"firing"`
	Held      int                  `json:"held,omitempty"`      // of the firing ones: inhibited or muted
	Resolved  int                  `json:"resolved,omitempty"`  // their end is not told yet
	Next      time.Time            `json:"next"`                // regular look
	Muted     string               `json:"muted,omitempty"`     // why nothing is told now: the time intervals
	Told      map[string]ToldBy    `json:"told"`                // by receiver
	Escalates map[string]time.Time `json:"escalates,omitempty"` // when rungs of the ladder will be told, by receiver
}

// ToldBy is what a receiver knows of a group.
type ToldBy struct {
	At     time.Time `json:"at"`
	Since  time.Time `json:"since,omitzero"` // since when it knows of a problem
	Firing int       `json:"firing"`
	Digest bool      `json:"digest,omitempty"` // a digest told it
}

// Groups returns all groups, those with most firing alerts first, at most 1000.
func (d *Dispatcher) Groups() []GroupView {
	d.mu.Lock()
	defer d.mu.Unlock()
	nodes := make([]*node, 0, len(d.groups))
	for _, n := range d.groups {
		nodes = append(nodes, n)
	}
	slices.SortFunc(nodes, func(a, b *node) int {
		return cmp.Or(cmp.Compare(len(b.Alerts), len(a.Alerts)), strings.Compare(a.Key(), b.Key()))
	})
	out := []GroupView{}
	w, now := d.world(), time.Now()
	for _, n := range nodes[:min(len(nodes), maxListed)] {
		out = append(out, n.view(w, now))
	}
	return out
}

func (n *node) view(w World, now time.Time) GroupView {
	v := GroupView{
		Key: n.Key(), Receiver: n.Route.Receiver, Owner: n.Route.Owner, Labels: alerts.MapOf(n.Labels), Next: n.Next,
		Told: make(map[string]ToldBy), Escalates: make(map[string]time.Time),
	}
	v.Muted, _ = n.Route.Muted(now)
	for _, a := range n.Alerts {
		switch {
		case !a.Firing():
			v.Resolved++
			continue
		case w.Suppressed(a):
			v.Held++
		}
		v.Firing++
	}
	for name, t := range n.Told {
		v.Told[name] = ToldBy{t.At, t.Since, len(t.Firing), t.ByDigest}
	}
	if since := n.Told[n.Route.Receiver].Since; !since.IsZero() && n.waits(w) {
		for _, rung := range n.Route.Ladder {
			if len(n.Told[rung.To].Firing) == 0 {
				v.Escalates[rung.To] = since.Add(rung.After)
			}
		}
	}
	return v
}

// Handler answers what may be read:
//
//	GET /api/alerts/receivers   who is told, and how that goes
//	GET /api/alerts/groups      what is told together
func (d *Dispatcher) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/alerts/receivers", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, d.Receivers()) })
	mux.HandleFunc("GET /api/alerts/groups", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, d.Groups()) })
	return mux
}

func writeJSON(w http.ResponseWriter, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(b, '\n')) // the client is gone: nobody to tell
}

// Routed says whether there are routes; without them nothing comes here.
func (d *Dispatcher) Routed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.conf.root != nil
}
