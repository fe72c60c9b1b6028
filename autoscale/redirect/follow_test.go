package redirect

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rondo/alerts/state"
	"rondo/autoscale"
	"rondo/rrd"
)

// TestWaits: a drain lasts until the newest session has ended, over a restart
// too, and no shorter than until the redirector has seen it.
func TestWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.members = []autoscale.Membership{web(autoscale.InService)}
		conf, store := site(), state.NewMemory()
		conf.Groups[0].Session = time.Minute
		r := newRedirector(t, w, conf, newBooks(t, store, false))
		drained := w.members[0].Instances[0]
		want := func(text string) {
			t.Helper()
			if got := r.Waits("web", drained, time.Now()); !strings.HasPrefix(got, text) || text == "" && got != "" {
				t.Errorf("waits for %q, want %q", got, text)
			}
		}
		want("the redirector has not seen the drain")
		now := time.Now()
		r.groups["web"].books.of("i-1").begin(now, time.Second)
		w.members[0].Instances[0].Phase = autoscale.Draining
		want("the redirector has not seen the drain")
		r.look(t.Context(), w.members, time.Now())
		want("1 sessions, the last until")
		time.Sleep(30 * time.Second)
		if err := r.books.save(t.Context()); err != nil {
			t.Fatal(err)
		}
		r = newRedirector(t, w, conf, newBooks(t, store, false)) // a restart in the middle
		want("0 sessions, the last until")
		time.Sleep(37 * time.Second)
		want("")
		r = newRedirector(t, w, conf, newBooks(t, state.NewMemory(), true)) // a restart without what was kept
		want("0 sessions, the last until")
		time.Sleep(time.Minute + 2*time.Second)
		want("")
		if got := r.Waits("other", drained, now); got != "" {
			t.Errorf("another group's instance waits for %s", got)
		}
	})
}

// TestWaitsForServers: where the servers count their sessions themselves, what
// they say goes; none for long enough is none.
func TestWaitsForServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.members = []autoscale.Membership{web(autoscale.Draining)}
		w.readings["sessions"] = map[string]float64{"web-1": 2}
		conf := site()
		conf.Groups[0].Sessions = "sessions"
		r := newRedirector(t, w, conf, nil)
		since := time.Now()
		look := func() string {
			r.look(t.Context(), w.members, time.Now())
			return r.Waits("web", w.members[0].Instances[0], since)
		}
		if got := look(); got != "2 sessions, as it says" {
			t.Errorf("waits for %q", got)
		}
		w.readings["sessions"]["web-1"] = 0
		if got := look(); got == "" {
			t.Error("one reading of none is believed")
		}
		time.Sleep(15 * time.Second)
		if got := look(); got != "" {
			t.Errorf("waits for %q", got)
		}
	})
}

func TestAgentCheck(t *testing.T) {
	w := newWorld()
	w.members = []autoscale.Membership{web(autoscale.InService, autoscale.Draining, autoscale.Silent, autoscale.Terminating, autoscale.InService)}
	w.readings["cpu_free_percent / 100"] = map[string]float64{"web-1": 0.42, "web-5": 0}
	conf := site()
	conf.Groups = append(conf.Groups, Group{Group: "batch"})
	aliases := map[string]string{"i-1": "shop-1", "i-2": "shop-2", "i-5": "web-1"} // the last is another's own name
	r, err := New(t.Context(), Options{
		Config: conf, Books: newBooks(t, state.NewMemory(), false), Metrics: w, Hosts: w, Log: slog.New(slog.DiscardHandler),
		Aliases: func(group string) map[string]string { return map[string]map[string]string{"web": aliases}[group] },
	})
	if err != nil {
		t.Fatal(err)
	}
	r.look(t.Context(), w.members, time.Now())
	for question, want := range map[string]string{
		"web/web-1\n":         "up ready 42%",
		"web/i-1\r\n":         "up ready 42%",
		"web/10.0.0.1:8080\n": "up ready 42%",
		"web/WEB-1":           "up ready 42%",
		"web/web-5\n":         "up ready 1%",
		"web/shop-1\n":        "up ready 42%",
		"web/shop-2\n":        "up drain",
		"web/web-2\n":         "up drain",
		"web/web-3\n":         "up drain",
		"web/web-4\n":         "maint",
		"web/web-99\n":        "maint",
		"batch/web-1\n":       "", // nobody knows who is in it
		"nosuch/web-1\n":      "",
		"web-1\n":             "",
		"web/\n":              "",
	} {
		if got := r.answer(question); got != want {
			t.Errorf("%q: %q, want %q", question, got, want)
		}
	}
}

func FuzzQuestion(f *testing.F) {
	f.Add("web/web-1\n")
	f.Add("web/[::1]:80\r\n")
	f.Add("/")
	f.Fuzz(func(t *testing.T, line string) {
		group, server, ok := parseQuestion(line)
		if ok && (group == "" || server == "" || server != strings.ToLower(server)) {
			t.Fatalf("%q is %q of %q", line, server, group)
		}
	})
}

// TestWeightsServed: as text and as JSON.
func TestWeightsServed(t *testing.T) {
	w := newWorld()
	r := newRedirector(t, w, site(), nil)
	ask := func(query, accept string) string {
		q := httptest.NewRequest(http.MethodGet, "/weights"+query, nil)
		q.Header.Set("Accept", accept)
		rec := httptest.NewRecorder()
		r.Handler().ServeHTTP(rec, q)
		return fmt.Sprint(rec.Code, " ", rec.Body)
	}
	if got := ask("?group=web", ""); !strings.HasPrefix(got, "503 ") {
		t.Error(got)
	}
	w.members = []autoscale.Membership{web(autoscale.InService, autoscale.Draining, autoscale.Pending)}
	w.readings["cpu_free_percent / 100"] = map[string]float64{"web-1": 0.42}
	r.look(t.Context(), w.members, time.Now())
	if got, want := ask("", ""), "200 web-1 10.0.0.1 42 up\nweb-2 10.0.0.2 0 drain\n"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := ask("?group=web", "application/json"); !strings.Contains(got, `{"instance":"i-1","server":"web-1","address":"10.0.0.1","weight":42,"state":"up","sessions":0}`) {
		t.Error(got)
	}
	if got := ask("?group=nosuch", ""); !strings.HasPrefix(got, "404 ") {
		t.Error(got)
	}
	if got := r.Note("web", "i-1"); got != "weight 42, 0 sessions" {
		t.Errorf("note %q", got)
	}
}

// TestReadings: what cannot be told is not taken, and said.
func TestReadings(t *testing.T) {
	w := newWorld()
	w.members = []autoscale.Membership{web(autoscale.InService)}
	r := newRedirector(t, w, site(), nil)
	for what, c := range map[string]struct {
		host  string
		value float64
		err   error
		want  string
	}{
		"percent": {"web-1", 42, nil, "no share from 0 to 1"},
		"no host": {"", 0.5, nil, "label host"},
		"failed":  {"web-1", 0.5, errors.New("no room"), "no room"},
	} {
		w.readings = map[string]map[string]float64{"cpu_free_percent / 100": {c.host: c.value}}
		w.trouble = c.err
		s, err := r.read(t.Context(), r.groups["web"].conf, time.Now())
		if err == nil || !strings.Contains(err.Error(), c.want) || s.free != nil {
			t.Errorf("%s: %v, %v", what, err, s.free)
		}
	}
}

// TestServesOverReload: who calls while one redirector has ended and the next
// has not begun waits, and is served.
func TestServesOverReload(t *testing.T) {
	w := newWorld()
	w.members = []autoscale.Membership{web(autoscale.InService)}
	conf := site()
	conf.AgentCheck.Listen = "127.0.0.1:0"
	conf.Listen = freeAddress(t)
	conf.AgentCheck.Listen = freeAddress(t)
	books := newBooks(t, state.NewMemory(), false)
	run := func() (end func()) {
		r := newRedirector(t, w, conf, books)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.Run(ctx, w) }()
		return func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	}
	end := run()
	first := ask(t, conf.Listen)
	end()
	answers := make(chan string, 2)
	conn, err := net.Dial("tcp", conf.AgentCheck.Listen)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "web/web-1\n"); err != nil {
		t.Fatal(err)
	}
	go func() { answers <- ask(t, conf.Listen) }()
	go func() {
		line, err := bufio.NewReader(conn).ReadString('\n')
		answers <- fmt.Sprint(line, err)
	}()
	defer run()()
	for range 2 {
		if got := <-answers; got != first && !strings.HasPrefix(got, "up ready ") {
			t.Errorf("answered %q, before it was %q", got, first)
		}
	}
	if b, err := net.Dial("tcp", conf.AgentCheck.Listen); err == nil { // nothing is asked
		_ = b.Close()
	}
}

// full is a store that takes no writes any more.
type full struct{ state.Store }

func (full) Write(context.Context, ...state.Change) error { return state.ErrDiskFull }

// TestFullDisk: a redirector that cannot note its sessions ends as one that can,
// and they are noted as soon as there is room.
func TestFullDisk(t *testing.T) {
	w := newWorld()
	w.members = []autoscale.Membership{web(autoscale.InService)}
	store := state.NewMemory()
	books := newBooks(t, store, false)
	r := newRedirector(t, w, site(), books)
	books.store = full{store}
	(&client{r: r}).get(www)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Run(ctx, w); err != nil {
		t.Error(err)
	}
	books.store = store
	if err := books.save(t.Context()); err != nil {
		t.Fatal(err)
	}
	if text, err := store.Get(newestOf + "web"); err != nil || !strings.Contains(string(text), "i-1") {
		t.Errorf("noted is %q, %v", text, err)
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func ask(t *testing.T, address string) string {
	q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/", nil)
	if err != nil {
		return err.Error()
	}
	got, err := http.DefaultTransport.RoundTrip(q)
	if err != nil {
		return err.Error()
	}
	_ = got.Body.Close()
	return fmt.Sprint(got.StatusCode, got.Header.Get("Location"))
}

// TestFigures are series of the hosts, and no sign of life of them.
func TestFigures(t *testing.T) {
	w := newWorld()
	w.members = []autoscale.Membership{web(autoscale.InService)}
	r := newRedirector(t, w, site(), nil)
	(&client{r: r}).get(www)
	got := map[string]float64{}
	for _, s := range r.AppendSamples(nil, time.Now()) {
		if !IsFigure(s.Key) || s.Key.Get("host") != "web-1" || s.Key.Get("group") != "web" {
			t.Errorf("series %s", s.Key)
		}
		got[s.Key.Name()] = s.Value
	}
	if got["rondo.redirect.sessions"] != 1 || got["rondo.redirect.begun"] != 1 || len(got) != 4 {
		t.Errorf("got %v", got)
	}
	if IsFigure(rrd.Key("cpu_free_percent")) {
		t.Error("not ours")
	}
}
