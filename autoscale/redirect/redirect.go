package redirect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"rondo/autoscale"
	"rondo/rrd"
)

// Options are what a Redirector works with.
type Options struct {
	Config  Config
	Books   *Books
	Metrics rrd.Evaluator
	Hosts   Hosts
	Aliases func(group string) map[string]string // by instance: names under which a balancer may ask too; nil: there are none
	Log     *slog.Logger
}

// Hosts know the hosts of a fleet (alerts/fleet does).
type Hosts interface {
	// LastSeen returns when a host was last heard of.
	LastSeen(host string) (time.Time, bool)
	// HostOf is the host that a series belongs to.
	HostOf(rrd.Labels) string
}

// A Redirector follows groups: it weighs their servers each second, and sends
// clients to them.
type Redirector struct {
	conf    Config
	books   *Books
	metrics rrd.Evaluator
	hosts   Hosts
	log     *slog.Logger
	groups  map[string]*servers
	routes  []route
	ears    []ear
	said    map[string]string // trouble by group, so that it is logged once; of the goroutine that looks
}

// lookEvery is how often heartbeats are read.
const lookEvery = time.Second

// New makes a Redirector. Its sockets are bound when it returns.
func New(ctx context.Context, o Options) (*Redirector, error) {
	if err := o.Config.Validate(); err != nil {
		return nil, err
	}
	if o.Aliases == nil {
		o.Aliases = func(string) map[string]string { return nil }
	}
	r := &Redirector{
		conf: o.Config, books: o.Books, metrics: o.Metrics, hosts: o.Hosts, log: o.Log,
		groups: make(map[string]*servers), said: make(map[string]string),
	}
	key := o.Books.key
	if o.Config.Secret != "" {
		key = []byte(o.Config.Secret)
	}
	for _, conf := range o.Config.Groups {
		conf = conf.WithDefaults()
		l, err := o.Books.ledger(conf.Group)
		if err != nil {
			return nil, err
		}
		g, err := newServers(conf, l, o.Aliases)
		if err != nil {
			return nil, err
		}
		r.groups[conf.Group] = g
		if l.members.Group != "" {
			g.update(l.members, sight{now: time.Now(), heard: r.hosts.LastSeen})
		}
		if conf.URL != "" {
			r.routes = append(r.routes, newRoute(conf, g, signer{key, conf.Group}))
		}
	}
	return r, r.listen(ctx)
}

// Run follows the groups, and serves, until ctx ends.
//
//	each second, and when members change ──> readings ──> tables
//	clients ──> redirector ──┐                             │
//	HAProxy ──> agent check ─┴── tables <──────────────────┘
func (r *Redirector) Run(ctx context.Context, groups autoscale.Groups) error {
	changed, end := groups.Subscribe()
	defer end()
	g, ctx := errgroup.WithContext(ctx)
	for _, e := range r.ears {
		g.Go(func() error { return e.run(ctx) })
	}
	g.Go(func() error {
		look, save := time.NewTicker(lookEvery), time.NewTicker(saveEvery)
		defer look.Stop()
		defer save.Stop()
		for {
			r.look(ctx, groups.Members(), time.Now())
			select {
			case <-ctx.Done():
				r.save(context.WithoutCancel(ctx))
				return nil
			case <-changed:
			case <-look.C:
			case <-save.C:
				r.save(ctx)
			}
		}
	})
	return g.Wait()
}

// save keeps the books. That the disk is full is no reason to send nobody on.
func (r *Redirector) save(ctx context.Context) {
	if err := r.books.save(ctx); err != nil && ctx.Err() == nil {
		r.log.Warn("sessions could not be noted", "err", err)
	}
}

// look reads all groups anew.
func (r *Redirector) look(ctx context.Context, members []autoscale.Membership, now time.Time) {
	for _, m := range members {
		g := r.groups[m.Group]
		if g == nil {
			continue
		}
		s, err := r.read(ctx, g.conf, now)
		r.say(m.Group, err)
		g.update(m, s)
	}
}

// read asks for all that is known of a group's hosts. What cannot be had is not
// known; the rest counts.
func (r *Redirector) read(ctx context.Context, g Group, now time.Time) (sight, error) {
	s := sight{now: now, heard: r.hosts.LastSeen}
	var errs []error
	for _, q := range []struct {
		what, expr string
		into       *map[string]float64
	}{{"free", g.Free, &s.free}, {"size", g.Size, &s.size}, {"sessions", g.Sessions, &s.sessions}} {
		if q.expr == "" {
			continue
		}
		values, err := r.byHost(ctx, q.expr, now)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", q.what, err))
		}
		*q.into = values
	}
	if err := s.check(); err != nil {
		errs = append(errs, err)
		s.free, s.size = nil, nil
	}
	return s, errors.Join(errs...)
}

// maxHosts bounds what an expression may give a series for each of.
const maxHosts = 10_000

func (r *Redirector) byHost(ctx context.Context, expr string, now time.Time) (map[string]float64, error) {
	values, err := r.metrics.Eval(ctx, expr, now)
	if err != nil {
		return nil, err
	}
	if len(values) > maxHosts {
		return nil, fmt.Errorf("the query gives %d series, the limit is %d", len(values), maxHosts)
	}
	out := make(map[string]float64, len(values))
	for _, v := range values {
		host := r.hosts.HostOf(v.Labels)
		if host == "" {
			return nil, errors.New("a series has no host: see to it that the label host stays")
		}
		if _, twice := out[host]; twice {
			return nil, fmt.Errorf("the query gives several series of host %s, one is wanted", host)
		}
		if finite(v.Value) {
			out[host] = v.Value
		}
	}
	return out, nil
}

// say logs what is wrong with a group's readings when it changes.
func (r *Redirector) say(group string, err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if r.said[group] == text {
		return
	}
	r.said[group] = text
	if err != nil {
		r.log.Warn("free capacity is not known; what is left counts", "group", group, "err", err)
		return
	}
	r.log.Info("free capacity is known again", "group", group)
}

// Waits implements [autoscale.Drainer]: sessions that are alive, until their
// deadline.
func (r *Redirector) Waits(group string, i autoscale.Instance, since time.Time) string {
	g := r.groups[group]
	if g == nil || g.conf.URL == "" {
		return ""
	}
	return g.waits(i, since, time.Now())
}

// Note is an instance's weight, and its sessions.
func (r *Redirector) Note(group, instance string) string {
	if g := r.groups[group]; g != nil {
		return g.describe(instance, time.Now())
	}
	return ""
}

// Room is where its counters are: rondo.redirect.<what>.
func (r *Redirector) Room() string { return "redirect" }

// Stats are its counters: what was refused, by reason.
func (r *Redirector) Stats() map[string]uint64 { return r.books.Snapshot() }

// AppendSamples appends, for each server, rondo.redirect.sessions and
// rondo.redirect.weight as gauges, and the counters rondo.redirect.begun (of new
// sessions) and rondo.redirect.kept; all with the labels group and host.
func (r *Redirector) AppendSamples(dst []rrd.Sample, now time.Time) []rrd.Sample {
	for _, g := range r.groups {
		dst = g.appendSamples(dst, now)
	}
	return dst
}

func (g *servers) appendSamples(dst []rrd.Sample, now time.Time) []rrd.Sample {
	g.books.mu.Lock()
	defer g.books.mu.Unlock()
	for k, i := range g.members {
		if s := g.table.Servers[k]; !s.Open && !s.Keeps {
			continue
		}
		a := g.books.of(i.ID)
		for _, f := range []struct {
			what  string
			value float64
			kind  rrd.Type
		}{
			{"sessions", g.sessions(i, g.seen), rrd.Gauge}, {"weight", float64(g.table.Percent(k, g.full)), rrd.Gauge},
			{"begun", float64(a.begun), rrd.Counter}, {"kept", float64(a.kept), rrd.Counter},
		} {
			key, err := rrd.NewKey(figurePrefix+f.what, rrd.Label{Name: "group", Value: g.conf.Group}, rrd.Label{Name: "host", Value: NameOf(i)})
			if err == nil { // names of hosts are plain
				dst = append(dst, rrd.Sample{Key: key, Time: rrd.At(now), Value: f.value, Type: f.kind})
			}
		}
	}
	return dst
}

// IsFigure says whether a series is one of AppendSamples, here or in haproxy: it has the label host,
// and is no sign that the host lives.
func IsFigure(k rrd.Key) bool {
	name := k.Name()
	return strings.HasPrefix(name, figurePrefix) || strings.HasPrefix(name, HAProxyFigures)
}

// What the names of figures begin with.
const (
	figurePrefix   = "rondo.redirect."
	HAProxyFigures = "rondo.haproxy." // package haproxy's
)

// A Weight is one server as a balancer sees it.
type Weight struct {
	Instance string `json:"instance"`
	Server   string `json:"server"`  // its name in the fleet
	Address  string `json:"address"` // private, else public
	Weight   int    `json:"weight"`  // 1 to 100; 0 where it gets no new sessions
	State    string `json:"state"`   // up, or drain: it keeps the sessions that it has
	Sessions int    `json:"sessions"`

	Member autoscale.Instance `json:"-"`
}

// The states of a [Weight].
const (
	Up    = "up"
	Drain = "drain"
)

// Weights are the servers of a group that have or may have sessions, in the
// order of their launches; silent ones too, for a balancer finds out by itself
// who answers. ok is false while it is not known who is in the
// group.
func (r *Redirector) Weights(group string) (out []Weight, ok bool) {
	g := r.groups[group]
	if g == nil {
		return nil, false
	}
	g.books.mu.Lock()
	defer g.books.mu.Unlock()
	for k, i := range g.members {
		if s := g.table.Servers[k]; s.Open || s.Keeps || i.Phase == autoscale.Silent {
			out = append(out, g.weight(k, i))
		}
	}
	return out, !g.at.IsZero()
}

func (g *servers) weight(k int, i autoscale.Instance) Weight {
	w := Weight{
		Instance: i.ID, Server: NameOf(i), Address: cmp.Or(i.PrivateIP, i.PublicIP, i.PrivateDNS), Weight: g.table.Percent(k, g.full), State: Up,
		Sessions: int(g.sessions(i, g.seen)), Member: i,
	}
	if !g.table.Servers[k].Open {
		w.State = Drain
	}
	return w
}

// Handler answers GET ?group=NAME with the group's weights: as text, a line
//
//	web-1 10.0.0.1 42 up
//
// of name, address, weight (1 to 100; 0: no new sessions) and state (up or
// drain) for each server, or as JSON where that is asked for, by format=json or the
// header Accept.
func (r *Redirector) Handler() http.Handler { return http.HandlerFunc(r.serveWeights) }
