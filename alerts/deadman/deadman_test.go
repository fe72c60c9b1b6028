package deadman

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rondo/alerts"
	"rondo/alerts/notify"
	"rondo/alerts/notify/webhook"
)

var quiet = slog.New(slog.DiscardHandler)

// A recorder is a receiver that takes what it is asked to.
type recorder struct {
	err error
	got []string
}

func (r *recorder) Send(_ context.Context, n notify.Notice) error {
	if r.err == nil {
		r.got = append(r.got, fmt.Sprint(n.Reason, " ", n.Key))
	}
	return r.err
}

// TestWitness: the same history of looks, told once to each receiver, over
// restarts and receivers that are away.
func TestWitness(t *testing.T) {
	file := filepath.Join(t.TempDir(), "witness.json")
	var up, away recorder
	away.err = errors.New("away")
	down := errors.New("connection refused")
	w := func() *Witness {
		w, err := NewWitness(WitnessConfig{URL: "http://x"}, []Receiver{{"up", &up}, {"away", &away}}, file, quiet)
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	look := func(w *Witness, err error, wantUp, wantAway int) {
		t.Helper()
		w.seen(err, time.Unix(1000, 0))
		w.tell(t.Context())
		if len(up.got) != wantUp || len(away.got) != wantAway {
			t.Errorf("told %q and %q, want %d and %d", up.got, away.got, wantUp, wantAway)
		}
	}
	x := w()
	look(x, down, 0, 0)
	look(x, down, 0, 0)
	look(x, nil, 0, 0)
	look(x, down, 0, 0)
	look(x, down, 0, 0)
	look(x, down, 1, 0)
	look(x, down, 1, 0)
	x = w() // the agent starts again
	look(x, down, 1, 0)
	look(x, nil, 2, 0) // who has not heard of the problem hears of no end
	x = w()
	look(x, nil, 2, 0)
	away.err = nil
	look(x, down, 2, 0)
	look(x, down, 2, 0)
	look(x, down, 3, 1)
	away.err = alerts.Permanent(errors.New("no")) // refused is told, too
	look(x, nil, 4, 1)
	look(w(), nil, 4, 1)
	seen := map[string]bool{}
	for i, got := range up.got {
		if seen[got] || !strings.HasPrefix(got, []string{"new ", "resolved "}[i%2]) || len(got) > 200 {
			t.Errorf("%q", up.got)
		}
		seen[got] = true
	}
	if err := os.WriteFile(file, []byte("no json"), 0o600); err != nil {
		t.Fatal(err)
	}
	look(w(), nil, 4, 1)
}

func TestLooker(t *testing.T) {
	code := http.StatusOK
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/healthz" {
			t.Error(r.URL.Path)
		}
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(code)
	}))
	look := looker(srv.URL+"/", nil)
	for _, code = range []int{200, 503, 301} {
		if err := look(t.Context()); (err == nil) != (code == 200) {
			t.Errorf("%d: %v", code, err)
		}
	}
	srv.Close()
	if err := look(t.Context()); err == nil || strings.Contains(err.Error(), "/healthz") {
		t.Errorf("%v", err)
	}
}

// TestPinger: signs of life are signed, and stop when the engine stands still.
func TestPinger(t *testing.T) {
	var header http.Header
	var body []byte
	code := 200
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header = r.Header
		body, _ = io.ReadAll(r.Body)
		w.WriteHeader(code)
	}))
	defer srv.Close()
	p, err := NewPinger(Config{URL: notify.Secret(srv.URL), Secret: "s3cret"}, "mon-1", func() uint64 { return 0 }, quiet)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.ping(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if err := webhook.Verify("s3cret", header, body, time.Now(), time.Minute); err != nil || !strings.Contains(string(body), `"from":"mon-1"`) {
		t.Errorf("%v: %s", err, body)
	}
	code = 500
	if err := p.ping(t.Context(), true); err == nil {
		t.Error("no error")
	}
	if s := p.Stats().Snapshot(); s["sent"] != 1 || s["failed"] != 1 || s["held"] != 0 {
		t.Error(s)
	}
}

// TestPingerHolds: no sign while nothing moves.
func TestPingerHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, err := NewPinger(Config{URL: "http://127.0.0.1:0", Interval: time.Second}, "x", func() uint64 { return 7 }, quiet)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10500*time.Millisecond)
		defer cancel()
		if err := p.Run(ctx); err != nil || p.Stats().Held.Load() != 10 || p.Stats().Failed.Load() != 0 {
			t.Error(err, p.Stats().Snapshot())
		}
	})
}

func TestValidate(t *testing.T) {
	for want, err := range map[string]error{
		"":                   Config{}.Validate(),
		"url: want http":     Config{URL: "x"}.Validate(),
		"interval 1ms: want": Config{URL: "http://x", Interval: time.Millisecond}.Validate(),
		"tries -1":           WitnessConfig{URL: "http://x", Tries: -1}.Validate(),
		"url: want":          WitnessConfig{}.Validate(),
	} {
		if (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
