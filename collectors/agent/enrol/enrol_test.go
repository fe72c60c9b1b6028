package enrol

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rondo/collectors/agent/imds"
)

// A desk is a server that lets in who has the token "t", with keys k1, k2...
type desk struct {
	asked []request
	key   string // the one that is good now
	down  int    // answers 503 so often
}

func (d *desk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != Path {
		if r.Header.Get("Authorization") != "Bearer "+d.key {
			w.WriteHeader(http.StatusUnauthorized)
		}
		return
	}
	if d.down > 0 {
		d.down--
		http.Error(w, "down", http.StatusServiceUnavailable)
		return
	}
	var q request
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	d.asked = append(d.asked, q)
	if q.Token != "t" {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `{"reason":"expired","error":"join: refused: it was open until noon"}`)
		return
	}
	d.key = fmt.Sprintf("k%d", len(d.asked))
	fmt.Fprintf(w, `{"key":%q,"id":"i-1","host":%q,"group":"web"}`, d.key, q.Host)
}

func newEnroller(t *testing.T, d *desk, dir string) *Enroller {
	t.Helper()
	srv := httptest.NewServer(d)
	t.Cleanup(srv.Close)
	e, err := New(Options{
		Server: srv.URL, TokenFile: filepath.Join(dir, "token"), KeyFile: filepath.Join(dir, "key"), Host: "web-1",
		Transport: http.DefaultTransport, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestEnrol: the key is asked for once, kept over a restart, and asked for
// again when the server does not know it any more.
func TestEnrol(t *testing.T) {
	d, dir := &desk{down: 1}, t.TempDir()
	write(t, dir, "token", "t\n")
	e := newEnroller(t, d, dir)
	if key, err := e.Key(); err == nil {
		t.Error("a server that is away gave a key:", key)
	}
	if key, err := e.Key(); err != nil || key != "k1" || e.have != (Credentials{"k1", "i-1", "web-1", "web"}) {
		t.Fatal(key, e.have, err)
	}
	if info, err := os.Stat(filepath.Join(dir, "key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info, err)
	}
	again := newEnroller(t, d, dir)
	if key, err := again.Key(); key != "k1" || err != nil || len(d.asked) != 1 {
		t.Error("after a restart:", key, err, d.asked)
	}
	call := func(key string) int {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, again.o.Server+"/agent/v1/push", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+key)
		answer, err := again.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		return answer.StatusCode
	}
	if call("k0") != 401 {
		t.Error("another key is good")
	}
	if key, err := again.Key(); key != "k1" || err != nil {
		t.Error("an older key was refused, not this one:", key, err)
	}
	d.key = "gone"
	if call("k1") != 401 {
		t.Error("the key is good still")
	}
	write(t, dir, "token", "old")
	if key, err := again.Key(); key != "k1" || err != nil || call("k1") != 401 {
		t.Error("there is no other key, so that the old one stays:", key, err)
	}
	write(t, dir, "token", "t")
	if key, err := again.Key(); key != "k3" || err != nil || call(key) != 200 {
		t.Error(key, err)
	}
}

func TestRefused(t *testing.T) {
	d, dir := &desk{}, t.TempDir()
	e := newEnroller(t, d, dir)
	if _, err := e.Key(); !errors.Is(err, os.ErrNotExist) || len(d.asked) != 0 {
		t.Error("without a token:", err)
	}
	write(t, dir, "token", "old")
	_, err := e.Key()
	if no, ok := errors.AsType[*Refusal](err); !ok || no.Status != 403 || no.Reason != "expired" || !strings.Contains(err.Error(), "until noon") {
		t.Error(err)
	}
	write(t, dir, "token", "t")
	if key, err := e.Key(); err != nil || key == "" {
		t.Error(key, err)
	}
	write(t, dir, "key", "{")
	if key, err := newEnroller(t, d, dir).Key(); err != nil || key == "" {
		t.Error("a key file that is damaged:", key, err)
	}
}

// TestInstance: the signed document goes with the token.
func TestInstance(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/document"):
			fmt.Fprint(w, `{"instanceId":"i-0123456789abcdef0"}`)
		case strings.HasSuffix(r.URL.Path, "/rsa2048"):
			fmt.Fprint(w, "MIAG")
		case strings.HasSuffix(r.URL.Path, "/token"):
			fmt.Fprint(w, "x")
		default:
			http.NotFound(w, r)
		}
	}))
	defer srv.Close()
	d, dir := &desk{}, t.TempDir()
	write(t, dir, "token", "t")
	e := newEnroller(t, d, dir)
	e.o.Metadata = imds.New(srv.URL)
	if _, err := e.Key(); err != nil || d.asked[0] != (request{"t", "web-1", "i-0123456789abcdef0", "MIAG"}) {
		t.Error(err, d.asked)
	}
}
