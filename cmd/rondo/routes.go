package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"rondo/rrd"
	"rondo/syslogd"
	"rondo/syslogd/out"
	"rondo/web"
)

// A routesView is what GET /api/routes answers: where messages went.
type routesView struct {
	Stored    uint64 `json:"stored"` // since the start
	NotStored uint64 `json:"not_stored"`
	Unrouted  uint64 `json:"unrouted"` // that no route took
	// Routes count since the start: received + made = filtered + staged +
	// already + routed.
	Routes []routeView `json:"routes"`
	// Destinations count since their queue was made: routed = delivered +
	// dropped + waiting.
	Destinations []destinationView `json:"destinations"`
}

type routeView struct {
	Name   string            `json:"name"`
	To     []string          `json:"to"`
	Final  bool              `json:"final,omitempty"`
	Counts map[string]uint64 `json:"counts"` // see syslogd.RouteCounts
}

type destinationView struct {
	Name      string            `json:"name"`
	Kind      string            `json:"kind,omitempty"` // "" of one that has left the configuration
	Routed    uint64            `json:"routed"`
	Delivered uint64            `json:"delivered"`
	Dropped   map[string]uint64 `json:"dropped,omitempty"` // by reason
	Waiting   uint64            `json:"waiting"`
	InFlight  uint64            `json:"in_flight"` // of waiting
	Bytes     uint64            `json:"bytes"`     // of waiting, on disk
	MaxBytes  int64             `json:"max_bytes"`
	WhenFull  string            `json:"when_full"`
	Oldest    time.Time         `json:"oldest,omitzero"`
	Senders   int               `json:"senders_waiting,omitempty"`
	Connected bool              `json:"connected"`
	Since     time.Time         `json:"since,omitzero"` // of connected
	Failures  uint64            `json:"failures"`
	Error     string            `json:"error,omitempty"` // of the last session that failed
	Left      time.Time         `json:"left,omitzero"`
	Counts    map[string]uint64 `json:"counts,omitempty"` // that only its kind has
}

func (d *destinationView) dropped() (n uint64) {
	for _, v := range d.Dropped {
		n += v
	}
	return n
}

// state says for people how a destination is.
func (d *destinationView) state() string {
	switch {
	case !d.Left.IsZero():
		return "not configured since " + d.Left.Local().Format(time.DateTime)
	case d.Senders > 0:
		return "full: senders wait"
	case d.Error != "":
		return d.Error
	case d.Connected:
		return "ok"
	}
	return "not connected"
}

// routes is what is so now.
func (s *server) routes() routesView {
	p := s.parts.Load()
	counts := p.syslogged.Snapshot()
	v := routesView{Stored: counts["stored"], NotStored: counts["not_stored"], Unrouted: counts["unrouted"]}
	for _, r := range p.conf.Syslogd.routes() {
		view := routeView{Name: r.Name, To: r.To, Final: r.Final, Counts: map[string]uint64{}}
		for _, what := range syslogd.RouteCounts {
			view.Counts[what] = counts["route_"+r.Name+"_"+what]
		}
		v.Routes = append(v.Routes, view)
	}
	kinds := map[string]destination{}
	for _, d := range p.destinations {
		kinds[d.queue.Name()] = d
	}
	for _, q := range s.stores.spool.Stats() {
		one := destinationView{
			Name: q.Name, Kind: kinds[q.Name].kind, Routed: q.Routed, Delivered: q.Delivered, Dropped: map[string]uint64{},
			Waiting: q.Waiting, InFlight: q.InFlight, Bytes: q.Bytes, MaxBytes: q.Limits.Bytes, WhenFull: string(q.Limits.WhenFull),
			Oldest: q.Oldest, Senders: q.Senders, Connected: q.Connected, Since: q.Since, Failures: q.Failures, Error: q.Error, Left: q.Left,
		}
		for why, n := range q.Dropped {
			one.Dropped[string(why)] = n
		}
		if c, ok := kinds[q.Name].to.(out.Counter); ok {
			one.Counts = c.Counters()
		}
		v.Destinations = append(v.Destinations, one)
	}
	slices.SortFunc(v.Destinations, func(a, b destinationView) int { return cmp.Compare(a.Name, b.Name) })
	return v
}

// serveRoutes answers GET /api/routes.
func (s *server) serveRoutes(w http.ResponseWriter, _ *http.Request) {
	text, err := json.Marshal(s.routes())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(text, '\n')) // the reader may have left
}

// appendFigures appends the figures of routes and destinations.
func (v routesView) appendFigures(out []figure, now time.Time) []figure {
	for _, r := range v.Routes {
		for _, what := range syslogd.RouteCounts {
			out = append(out, figure{"route." + what, float64(r.Counts[what]), true, rrd.Label{Name: "route", Value: r.Name}})
		}
	}
	for _, d := range v.Destinations {
		label := rrd.Label{Name: "destination", Value: d.Name}
		counts := map[string]uint64{"routed": d.Routed, "delivered": d.Delivered, "failures": d.Failures}
		for why, n := range d.Dropped {
			counts["dropped_"+why] = n
		}
		maps.Copy(counts, d.Counts)
		for what, n := range counts {
			out = append(out, figure{"destination." + what, float64(n), true, label})
		}
		age, connected := 0.0, 0.0
		if !d.Oldest.IsZero() {
			age = max(0, now.Sub(d.Oldest).Seconds())
		}
		if d.Connected {
			connected = 1
		}
		out = append(out,
			figure{"destination.waiting", float64(d.Waiting), false, label},
			figure{"destination.waiting_bytes", float64(d.Bytes), false, label},
			figure{"destination.oldest_seconds", age, false, label},
			figure{"destination.connected", connected, false, label},
			figure{"destination.senders_waiting", float64(d.Senders), false, label})
	}
	return out
}

// forPages are the routes and destinations as the pages show them.
func (v routesView) forPages(now time.Time) (routes []web.LogRoute, all []web.Destination) {
	for _, r := range v.Routes {
		n := func(what string) int64 { return int64(r.Counts[what]) }
		routes = append(routes, web.LogRoute{
			Name: r.Name, To: strings.Join(r.To, ", "), Received: n("received"), Made: n("made"),
			Filtered: n("filtered"), Staged: n("staged"), Already: n("already"), Routed: n("routed"),
		})
	}
	for _, d := range v.Destinations {
		one := web.Destination{
			Name: d.Name, Kind: d.Kind, Routed: int64(d.Routed), Delivered: int64(d.Delivered), Dropped: int64(d.dropped()),
			Why: reasons(d.Dropped), Waiting: int64(d.Waiting), State: d.state(), Bad: d.state() != "ok",
		}
		if !d.Oldest.IsZero() {
			one.Oldest = max(0, now.Sub(d.Oldest))
		}
		all = append(all, one)
	}
	return routes, all
}

// reasons lists counts by reason.
func reasons(counts map[string]uint64) string {
	var words []string
	for _, why := range slices.Sorted(maps.Keys(counts)) {
		if counts[why] > 0 {
			words = append(words, fmt.Sprintf("%d %s", counts[why], why))
		}
	}
	return strings.Join(words, ", ")
}

// logsRoutesCmd shows where messages go.
type logsRoutesCmd struct{ clientFlags }

func (logsRoutesCmd) Help() string {
	return `Examples:
  rondo logs routes
  rondo logs routes -o json

Of each route: RECEIVED + MADE = FILTERED + STAGED + ALREADY + ROUTED, since the
start of the server. FILTERED is what its filter does not want, STAGED and MADE
are what its stages take away and add, ALREADY has reached all its destinations
by an earlier route. Of each destination: ROUTED = DELIVERED + DROPPED + WAITING,
since its queue was made.`
}

// Run prints a table of routes and one of destinations.
func (c logsRoutesCmd) Run(ctx context.Context, stdout io.Writer) error {
	if c.Output == "json" {
		return c.copyTo(ctx, stdout, "/api/routes", nil)
	}
	var v routesView
	if err := c.get(ctx, "/api/routes", nil, &v); err != nil {
		return err
	}
	return v.write(stdout, time.Now())
}

// write prints a table of routes and one of destinations.
func (v routesView) write(out io.Writer, now time.Time) error {
	fmt.Fprintf(out, "stored %d, not stored %d, along no route %d\n\n", v.Stored, v.NotStored, v.Unrouted)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if len(v.Routes) > 0 {
		fmt.Fprintln(w, "ROUTE\tTO\tRECEIVED\tMADE\tFILTERED\tSTAGED\tALREADY\tROUTED")
	}
	for _, r := range v.Routes {
		n := r.Counts
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\n", r.Name, strings.Join(r.To, ","),
			n["received"], n["made"], n["filtered"], n["staged"], n["already"], n["routed"])
	}
	if len(v.Destinations) > 0 {
		fmt.Fprintln(w, "\nDESTINATION\tKIND\tROUTED\tDELIVERED\tDROPPED\tWAITING\tOLDEST\tSTATE")
	}
	var dropped strings.Builder // below the table, of which a line with fewer columns would be the end
	for _, d := range v.Destinations {
		oldest := "-"
		if !d.Oldest.IsZero() {
			oldest = max(0, now.Sub(d.Oldest)).Round(time.Second).String()
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%d\t%s\t%s\n", d.Name, cmp.Or(d.Kind, "-"), d.Routed, d.Delivered, d.dropped(), d.Waiting, oldest, d.state())
		if why := reasons(d.Dropped); why != "" {
			fmt.Fprintf(&dropped, "%s dropped %s\n", d.Name, why)
		}
	}
	if err := w.Flush(); err != nil || dropped.Len() == 0 {
		return err
	}
	_, err := fmt.Fprintf(out, "\n%s", dropped.String())
	return err
}
