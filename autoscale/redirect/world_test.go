package redirect

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"rondo/alerts/state"
	"rondo/autoscale"
	"rondo/rrd"
)

// A world has groups, hosts and readings that a test writes.
type world struct {
	members  []autoscale.Membership
	readings map[string]map[string]float64 // by expression, then by host
	seen     map[string]time.Time
	trouble  error
	changed  chan struct{}
}

func newWorld() *world {
	return &world{readings: map[string]map[string]float64{}, seen: map[string]time.Time{}, changed: make(chan struct{}, 1)}
}

func (w *world) Members() []autoscale.Membership      { return w.members }
func (w *world) Subscribe() (<-chan struct{}, func()) { return w.changed, func() {} }

func (w *world) LastSeen(host string) (time.Time, bool) { t, ok := w.seen[host]; return t, ok }
func (w *world) HostOf(ls rrd.Labels) string            { return ls.Get("host") }

func (w *world) Eval(_ context.Context, expr string, at time.Time) (out []rrd.Value, err error) {
	for host, v := range w.readings[expr] {
		out = append(out, rrd.Value{Labels: rrd.Labels{{Name: "host", Value: host}}, Time: rrd.At(at), Value: v})
	}
	return out, w.trouble
}

// instance is the nth server of group web, heard of just now.
func instance(n int, p autoscale.Phase) autoscale.Instance {
	i := autoscale.Instance{ID: fmt.Sprintf("i-%d", n), Host: fmt.Sprintf("web-%d", n), PrivateIP: fmt.Sprintf("10.0.0.%d", n), Phase: p, LastSeen: time.Now()}
	if p == autoscale.Pending {
		i.Host, i.LastSeen = "", time.Time{}
	}
	return i
}

func web(phases ...autoscale.Phase) autoscale.Membership {
	m := autoscale.Membership{Group: "web", At: time.Now()}
	for n, p := range phases {
		m.Instances = append(m.Instances, instance(n+1, p))
	}
	return m
}

// site is a redirector's configuration: one group at any name.
func site() Config {
	c := DefaultConfig()
	c.Listen, c.Groups = "127.0.0.1:0", []Group{{Group: "web", URL: "http://{private_ip}:8080"}}
	return c
}

func newRedirector(t testing.TB, w *world, c Config, b *Books) *Redirector {
	t.Helper()
	if b == nil {
		b = newBooks(t, state.NewMemory(), false)
	}
	r, err := New(t.Context(), Options{Config: c, Books: b, Metrics: w, Hosts: w, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	r.look(t.Context(), w.members, time.Now())
	return r
}

func newBooks(t testing.TB, s state.Store, lost bool) *Books {
	t.Helper()
	b, err := OpenBooks(s, lost)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Sockets.Close)
	return b
}

// A client follows no redirect, and keeps its cookies.
type client struct {
	r       http.Handler
	cookies []*http.Cookie
}

// get asks, and returns the status, and where to.
func (c *client) get(target string) (status int, location string) {
	q := httptest.NewRequest(http.MethodGet, target, nil)
	for _, k := range c.cookies {
		q.AddCookie(k)
	}
	rec := httptest.NewRecorder()
	c.r.ServeHTTP(rec, q)
	if got := rec.Result().Cookies(); len(got) > 0 {
		c.cookies = got
	}
	return rec.Code, rec.Header().Get("Location")
}

// server is the host that a client is sent to, or the status.
func (c *client) server(target string) string {
	status, location := c.get(target)
	if location == "" {
		return fmt.Sprint(status)
	}
	u, err := url.Parse(location)
	if err != nil {
		return err.Error()
	}
	return u.Hostname()
}
