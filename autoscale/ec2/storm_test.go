package ec2_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rondo/alerts/state"
	"rondo/autoscale"
	"rondo/autoscale/ec2"
	"rondo/autoscale/ec2sim"
	"rondo/rrd"
)

// A wire takes the SDK's requests to the emulator without a socket, which a
// bubble of synctest knows nothing of, and notes them.
type wire struct {
	sim *ec2sim.Sim

	mu    sync.Mutex
	calls []wireCall
}

type wireCall struct {
	at            time.Time
	group, action string
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	w.calls = append(w.calls, wireCall{time.Now(), w.groupOf(form), form.Get("Action")})
	w.mu.Unlock()
	in := r.Clone(r.Context())
	in.Body = io.NopCloser(bytes.NewReader(body))
	rec := httptest.NewRecorder()
	w.sim.ServeHTTP(rec, in)
	return rec.Result(), nil
}

// groupOf finds the group that a request is about: in a filter or tag, or by
// the instance that it names.
func (w *wire) groupOf(form url.Values) string {
	for k, v := range form {
		switch {
		case strings.HasSuffix(k, ".Name") && v[0] == "tag:"+autoscale.TagGroup:
			return form.Get(strings.TrimSuffix(k, ".Name") + ".Value.1")
		case strings.HasSuffix(k, ".Key") && v[0] == autoscale.TagGroup:
			return form.Get(strings.TrimSuffix(k, ".Key") + ".Value")
		case strings.HasPrefix(v[0], "i-"):
			for _, i := range w.sim.Instances() {
				if i.ID == v[0] {
					return i.Tags[autoscale.TagGroup]
				}
			}
		}
	}
	return ""
}

// most returns the most calls within a span of a stretch of time, of those of
// one group and action, or of all where these are "".
func (w *wire) most(group, action string, from, to time.Time, span time.Duration) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	most, first := 0, 0
	var at []time.Time
	for _, c := range w.calls {
		if c.at.Before(from) || !c.at.Before(to) || group != "" && c.group != group || action != "" && c.action != action {
			continue
		}
		at = append(at, c.at)
		for c.at.Sub(at[first]) >= span {
			first++
		}
		most = max(most, len(at)-first)
	}
	return most
}

// An estate is what many groups' instances serve: each group has a load.
type estate struct {
	mu     sync.Mutex
	demand map[string]float64
	up     map[string]string // groups by host
}

func (e *estate) boot(ctx context.Context, i ec2sim.Instance) {
	e.mu.Lock()
	e.up[i.Hostname()] = i.Tags[autoscale.TagGroup]
	e.mu.Unlock()
	<-ctx.Done()
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.up, i.Hostname())
}

// Eval takes a group's name for its metric.
func (e *estate) Eval(_ context.Context, group string, at time.Time) ([]rrd.Value, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := 0
	for _, g := range e.up {
		if g == group {
			n++
		}
	}
	return []rrd.Value{{Time: rrd.At(at), Value: e.demand[group] / float64(max(n, 1))}}, nil
}

func (e *estate) LastSeen(host string) (time.Time, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, ok := e.up[host]
	return time.Now(), ok
}

func (e *estate) Withdraw(string, string) {}
func (e *estate) Expect(string)           {}
func (e *estate) Over(string, string)     {}
func (e *estate) Bind(string, string)     {}

// set gives all groups the same load.
func (e *estate) set(groups []autoscale.Group, demand float64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, g := range groups {
		e.demand[g.Name] = demand
	}
}

// TestStorm: 30 minutes in which EC2 answers every call with 503, while each of
// 20 groups wants to grow. No group calls more than once a second, retries of
// the SDK included, and when EC2 is back the groups do not come as a herd.
//
// make test takes a third of the time; RONDO_STORM is how long it lasts.
func TestStorm(t *testing.T) {
	t.Parallel()
	lasts := 10 * time.Minute
	if s := os.Getenv("RONDO_STORM"); s != "" {
		d, err := time.ParseDuration(s)
		if err != nil {
			t.Fatal(err)
		}
		lasts = d
	}
	synctest.Test(t, func(t *testing.T) {
		e := &estate{demand: map[string]float64{}, up: map[string]string{}}
		w := &wire{sim: ec2sim.New(ec2sim.Options{Max: 1000, Boot: e.boot})}
		cloud, err := ec2.New(t.Context(), ec2.Config{Endpoint: "http://ec2.test", Region: "us-east-1", AccessKey: "demo", SecretKey: "demo", Transport: w})
		if err != nil {
			t.Fatal(err)
		}
		conf := autoscale.DefaultConfig()
		for g := range 20 {
			name := "g" + strconv.Itoa(g)
			conf.Groups = append(conf.Groups, autoscale.Group{
				Name: name, Mode: autoscale.Act, Metric: name, Min: 1, Max: 10,
				Out: autoscale.OutPolicy{Above: 4, Add: autoscale.Enough}, In: autoscale.InPolicy{Below: 1, Remove: 1},
				Launch: autoscale.Template{Image: "ami-1"},
			})
		}
		log, err := autoscale.OpenLog(state.NewMemory(), conf)
		if err != nil {
			t.Fatal(err)
		}
		c, err := autoscale.New(t.Context(), autoscale.Options{
			Config: conf, Cloud: cloud, Metrics: e, Fleet: e, Journal: log, Log: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = w.sim.Run(ctx) })
		wg.Go(func() { _ = c.Run(ctx) })
		defer wg.Wait()
		defer cancel()

		e.set(conf.Groups, 2)
		time.Sleep(time.Minute)
		calm := time.Now()
		inject(t, w.sim, ec2sim.Fault{Effect: ec2sim.EffectError, Code: "Unavailable", Count: -1})
		e.set(conf.Groups, 16) // four are needed
		time.Sleep(lasts)
		back := time.Now()
		w.sim.ClearFaults()
		time.Sleep(4 * time.Minute)
		for _, g := range conf.Groups {
			for span, limit := range map[time.Duration]int{10 * time.Second: 10, time.Minute: 60} {
				if n := w.most(g.Name, "", calm, back, span); n > limit {
					t.Errorf("%s made %d calls within %v of the storm", g.Name, n, span)
				}
			}
		}
		for action, limit := range map[string]int{"": 20, "RunInstances": 5} {
			if n := w.most("", action, back, time.Now(), time.Second); n > limit {
				t.Errorf("%d calls %s within a second after the storm, want %d at most", n, action, limit)
			}
		}
		t.Logf("%v of 503: a group made up to %d calls in all, and up to %d within 10 s; afterwards all made up to %d within a second",
			lasts, w.most("g0", "", calm, back, lasts), w.most("g0", "", calm, back, 10*time.Second), w.most("", "", back, time.Now(), time.Second))
		counts := map[string]int{}
		for _, i := range w.sim.Instances() {
			counts[i.Tags[autoscale.TagGroup]]++
		}
		for _, g := range slices.Sorted(maps.Keys(counts)) {
			if counts[g] != 4 {
				v, _ := c.View(g)
				t.Errorf("%s has %d instances, want 4: %s (%s)", g, counts[g], v.Last.Reason, v.Last.Held)
			}
		}
	})
}
