package fanout

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// runnerFunc is a runner of a test.
type runnerFunc func(ctx context.Context, h Host, c Command) Result

func (f runnerFunc) Run(ctx context.Context, h Host, c Command) Result { return f(ctx, h, c) }

func hosts(n int) (hs []Host) {
	for i := range n {
		hs = append(hs, Host{ID: fmt.Sprintf("i-%d", i), Group: "web", Address: "127.0.0.1"})
	}
	return hs
}

func same(c Command) func(Host) Command { return func(Host) Command { return c } }

// show writes results as a text that a test can compare.
func show(rs []Result) string {
	var b strings.Builder
	for _, r := range rs {
		fmt.Fprintf(&b, "%s %d %s\n", r.Host.ID, r.Exit, strings.TrimSpace(r.Output+" "+r.Error))
	}
	return b.String()
}

// TestLimits: a run keeps to how many at once, to the time of each and of all,
// and to how many may fail; and a result is there for every host, in order.
func TestLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := func(l Limits, each time.Duration, fails bool, want string, wantTook time.Duration) {
			t.Helper()
			var now, most atomic.Int32
			began := time.Now()
			told := 0
			rs := Run(t.Context(), hosts(4), l, runnerFunc(func(ctx context.Context, h Host, _ Command) Result {
				most.Store(max(most.Load(), now.Add(1)))
				defer now.Add(-1)
				select {
				case <-ctx.Done():
					return Failed(h, ctx.Err())
				case <-time.After(each):
				}
				if fails {
					return Exited(h, 3, "no")
				}
				return Exited(h, 0, "yes")
			}), same(Command{}), func(Result) { told++ })
			if d := cmp.Diff(strings.TrimLeft(want, "\n"), show(rs)); d != "" {
				t.Error(d)
			}
			if took := time.Since(began); took != wantTook || told != 4 || int(most.Load()) > max(l.AtOnce, 1) && l.AtOnce > 0 {
				t.Errorf("%+v: took %v, want %v; %d told; %d at once", l, took, wantTook, told, most.Load())
			}
		}
		f(Limits{AtOnce: 2}, time.Second, false, "\ni-0 0 yes\ni-1 0 yes\ni-2 0 yes\ni-3 0 yes\n", 2*time.Second)
		f(Limits{}, time.Second, false, "\ni-0 0 yes\ni-1 0 yes\ni-2 0 yes\ni-3 0 yes\n", time.Second)
		f(Limits{AtOnce: 1, StopAfter: 2}, time.Second, true, `
i-0 3 no
i-1 3 no
i-2 -1 not begun: too many have failed before
i-3 -1 not begun: too many have failed before
`, 2*time.Second)
		f(Limits{Timeout: time.Second}, time.Hour, false, `
i-0 -1 its time is up: context deadline exceeded
i-1 -1 its time is up: context deadline exceeded
i-2 -1 its time is up: context deadline exceeded
i-3 -1 its time is up: context deadline exceeded
`, time.Second)
		f(Limits{AtOnce: 1, All: 1500 * time.Millisecond}, time.Second, false, `
i-0 0 yes
i-1 -1 its time is up: context deadline exceeded
i-2 -1 not begun: the time for all is up
i-3 -1 not begun: the time for all is up
`, 1500*time.Millisecond)
	})
}

func TestCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		rs := Run(ctx, hosts(2), Limits{AtOnce: 1}, runnerFunc(func(ctx context.Context, h Host, _ Command) Result {
			<-ctx.Done()
			return Failed(h, ctx.Err())
		}), same(Command{}), nil)
		if d := cmp.Diff("i-0 -1 context canceled\ni-1 -1 not begun: it was cancelled\n", show(rs)); d != "" {
			t.Error(d)
		}
	})
}

func TestHere(t *testing.T) {
	f := func(script, want string) {
		t.Helper()
		c := Command{Argv: []string{"/bin/sh", "-c", script}, Env: []string{"RONDO_ALIAS=web-1"}, Input: []byte("{}\n")}
		rs := Run(t.Context(), hosts(1), Limits{Timeout: time.Second}, NewHere(2), same(c), nil)
		if d := cmp.Diff(want, show(rs)); d != "" {
			t.Error(d)
		}
	}
	f("echo $RONDO_ALIAS; cat; echo bad >&2", "i-0 0 web-1\n{}\nbad\n")
	f("exit 7", "i-0 7 \n")
	f("kill -9 $$", "i-0 -1 it was ended by signal 9 (killed)\n")
	f("sleep 60", "i-0 -1 its time is up: it was killed\n")
	f(`printf 'a\033[31m\r\nb'`, "i-0 0 a?[31m\nb\n")
	rs := Run(t.Context(), hosts(1), Limits{}, NewHere(1), same(Command{Argv: []string{"/nonexistent/program"}}), nil)
	if d := cmp.Diff("i-0 -1 not started: fork/exec /nonexistent/program: no such file or directory\n", show(rs)); d != "" {
		t.Error(d)
	}
	if got, cut := Head(strings.Repeat("x", MaxOutput+1)); len(got) != MaxOutput || !cut {
		t.Errorf("%d bytes, cut: %v", len(got), cut)
	}
}

func TestWebhook(t *testing.T) {
	status := http.StatusOK
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
		fmt.Fprint(w, r.Header.Get("Idempotency-Key"), " ", r.Header.Get("Authorization"))
	}))
	f := func(code int, want string) {
		t.Helper()
		status = code
		rs := Run(t.Context(), hosts(1), Limits{}, NewWebhook(srv.URL+"/secret", "t0ken"), same(Command{Key: "k1", Input: []byte("{}")}), nil)
		if d := cmp.Diff(want, show(rs)); d != "" {
			t.Error(d)
		}
	}
	f(200, "i-0 0 k1 Bearer t0ken\n")
	f(302, "i-0 -1 k1 Bearer t0ken it answers 302 Found\n")
	f(500, "i-0 -1 k1 Bearer t0ken it answers 500 Internal Server Error\n")
	srv.Close()
	rs := Run(t.Context(), hosts(1), Limits{}, NewWebhook(srv.URL+"/secret", ""), same(Command{}), nil)
	if got := show(rs); strings.Contains(got, "secret") || !strings.Contains(got, "refused") {
		t.Error(got)
	}
}

// A shell finds in a command what was meant, and nothing else.
func FuzzShell(f *testing.F) {
	f.Add("web-1", "it's $HOME `x` \\ ; rm")
	f.Fuzz(func(t *testing.T, value, word string) {
		if strings.ContainsRune(value+word, 0) || len(value)+len(word) > 1000 {
			return
		}
		c := Command{Env: []string{"RONDO_X=" + value}, Argv: []string{"/usr/bin/env", "sh", "-c", `printf '%s|%s' "$RONDO_X" "$1"`, "sh", word}}
		e := NewHere(1).Run(t.Context(), Host{}, Command{Argv: []string{"/bin/sh", "-c", c.Shell()}})
		if want, _ := Head(value + "|" + word); e.Exit != 0 || e.Output != want {
			t.Fatalf("%q: got %d %q %s, want %q", c.Shell(), e.Exit, e.Output, e.Error, want)
		}
	})
}
