package roster

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rondo/alerts/state"
	"rondo/autoscale"
)

var errEnough = errors.New("enough")

// TestFollower: what a follower has after each version is what the server has,
// over broken connections, with what it has missed.
func TestFollower(t *testing.T) {
	r := open(t, state.NewMemory())
	var asked atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		asked.Add(1)
		if q.Header.Get("Authorization") != "Bearer key" {
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		r.Events().ServeHTTP(w, q)
	}))
	defer srv.Close()
	key := "none"
	f := &Follower{Client: srv.Client(), URL: srv.URL + "/", Sign: func(q *http.Request) error {
		q.Header.Set("Authorization", "Bearer "+key)
		return nil
	}}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if err := f.Follow(ctx, nil); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "who are you?") {
		t.Fatal(err)
	}
	key = "key"
	update := func(text string) {
		r.update(t.Context(), Source{Groups: []string{"web"}}, []autoscale.Membership{groupOf("web", text)})
	}
	steps := []string{"a:i b:i", "a:d b:i", "b:i c:i", "b:i c:i d:p", "c:i d:i"}
	update(steps[0])
	for steps = steps[1:]; len(steps) > 0; {
		err := f.Follow(ctx, func(v View) error {
			if v.Tag() != r.View().Tag() {
				return nil // there is more to come
			}
			if d := cmp.Diff(r.View().Members, v.Members); d != "" || v.Version != r.View().Version {
				t.Errorf("version %d, not %d: %s", v.Version, r.View().Version, d)
			}
			if len(steps) == 0 {
				return errEnough
			}
			update(steps[0])
			steps = steps[1:]
			if len(steps) == 2 {
				srv.CloseClientConnections()
			}
			return nil
		})
		if err == nil || errors.Is(err, ErrRefused) {
			t.Fatal(err)
		}
	}
	if asked.Load() < 3 {
		t.Errorf("asked %d times", asked.Load())
	}
}

// What a server sends that is none of ours ends the connection, and no more.
func TestFollowerOfAnother(t *testing.T) {
	for text, want := range map[string]string{
		"data: {\nevent: view\nid: 1\n\n":               "roster: view: unexpected end",
		"event: joined\ndata: []\nid: 1\n\n":            "roster: joined: ",
		"event: view\nid: 1\ndata: {\"version\":1}\n":   "EOF",
		": beat\n\nretry: 5\n\nevent: odd\ndata: x\n\n": "EOF",
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) }))
		f := &Follower{Client: srv.Client(), URL: srv.URL}
		err := f.Follow(t.Context(), func(View) error { return errEnough })
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
		srv.Close()
	}
}

func TestHostsFile(t *testing.T) {
	h := HostsFile{Path: filepath.Join(t.TempDir(), "hosts")}
	v := View{Version: 1, Members: Of(nil, []string{"web"}, []autoscale.Membership{groupOf("web", "a:i")})}
	f := func(v View, changed bool, want string) {
		t.Helper()
		got, err := h.Write(v)
		if err != nil || got != changed {
			t.Errorf("changed: %v, %v", got, err)
		}
		text, err := os.ReadFile(h.Path)
		if err != nil && want != "" || string(text) != want {
			t.Errorf("%q, %v", text, err)
		}
	}
	f(View{}, false, "") // a server that knows nothing yet
	f(v, true, "# rondo begin\n10.0.0.97\tweb-1 web a\n# rondo end\n")
	f(v, false, "# rondo begin\n10.0.0.97\tweb-1 web a\n# rondo end\n")
	if err := os.WriteFile(h.Path, []byte("# rondo end\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Write(v); err == nil || !strings.Contains(err.Error(), "put that right by hand") {
		t.Error(err)
	}
}

// FuzzFollower: no stream of events is too odd.
func FuzzFollower(f *testing.F) {
	f.Add([]byte("event: view\nid: 1-a\ndata: {\"version\":1,\"members\":[{\"group\":\"web\",\"id\":\"a\",\"rank\":1}]}\n\nevent: left\nid: 2-b\ndata: {\"version\":2,\"member\":{\"group\":\"web\",\"id\":\"a\"}}\n\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		follower := &Follower{URL: "http://x", Client: &http.Client{Transport: canned(text)}}
		if err := follower.Follow(t.Context(), func(View) error { return nil }); err == nil {
			t.Fatal("it ended well")
		}
	})
}

// canned answers all requests with one text.
type canned []byte

func (c canned) RoundTrip(*http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	_, _ = w.Write(c)
	return w.Result(), nil
}
