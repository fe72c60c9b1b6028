package event

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"rondo/alerts/notify"
	"rondo/alerts/state"
)

const secret = "0123456789abcdef"

func payload(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func utc(s string) time.Time { return foreignTime(s) }

// TestDecode reads deliveries in the shapes that the senders document.
func TestDecode(t *testing.T) {
	for _, c := range []struct {
		file, event string
		kind        string
		want        *Event
	}{
		{"github_deployment", "deployment", GitHub, &Event{
			Key: "octo-org/shop/deployment/372", At: utc("2026-05-15T15:20:32Z"), Revised: utc("2026-05-15T15:20:32Z"), Title: "deploy octo-org/shop main",
			Tags: []string{"deploy"}, Labels: map[string]string{"environment": "production", "revision": "f95f852"}, Who: "octocat", Link: "https://github.com/octo-org/shop",
		}},
		{"github_deployment_status", "deployment_status", GitHub, &Event{
			Key: "octo-org/shop/deployment/372", At: utc("2026-05-15T15:20:32Z"), End: utc("2026-05-15T15:23:53Z"), Revised: utc("2026-05-15T15:23:53Z"), Title: "deploy octo-org/shop main",
			Text: "rolled back", Tags: []string{"deploy", "failed"}, Labels: map[string]string{"environment": "production", "revision": "f95f852"}, Who: "octocat", Link: "https://ci.example/7",
		}},
		{"github_release", "release", GitHub, &Event{
			Key: "octo-org/shop/release/17372790", At: utc("2026-05-15T15:20:53Z"), Title: "release octo-org/shop v1.2.3", Text: "Faster.",
			Tags: []string{"release"}, Who: "octocat", Link: "https://github.com/octo-org/shop/releases/tag/v1.2.3",
		}},
		{"github_push", "push", GitHub, &Event{
			Key: "octo-org/shop/push/main/6113728f27ae82c7b1a177c8d03f9e96e0adf246", Title: "push octo-org/shop main 6113728", Text: "Faster",
			Tags: []string{"push"}, Who: "octocat", Link: "https://github.com/octo-org/shop/compare/a...b",
		}},
		{"github_push", "ping", GitHub, nil},
		{"gitlab_deployment", "", GitLab, &Event{
			Key: "root/shop/deployment/15", End: utc("2026-04-28T19:50:00Z"), Revised: utc("2026-04-28T19:50:00Z"), Title: "deploy root/shop main", Text: "Add new file",
			Tags: []string{"deploy"}, Labels: map[string]string{"environment": "staging", "revision": "279484c"}, Who: "root", Link: "http://gitlab.example/root/shop/-/jobs/796",
		}},
		{"gitlab_release", "", GitLab, &Event{
			Key: "root/shop/release/v1.1", At: utc("2026-10-02T12:55:12Z"), Title: "release root/shop v1.1", Text: "v1.1 has been released",
			Tags: []string{"release"}, Link: "https://gitlab.example/root/shop/-/releases/v1.1",
		}},
		{"gitlab_push", "", GitLab, &Event{
			Key: "root/shop/push/refs/heads/main/da1560886d4f094c3e6c9ef40349f7d38b5d27d7", Title: "push root/shop main da15608", Text: "Fix it",
			Tags: []string{"push"}, Who: "jsmith", Link: "http://gitlab.example/root/shop/-/commit/da1560886d4f094c3e6c9ef40349f7d38b5d27d7",
		}},
	} {
		hs, err := newHooks([]Hook{{Name: "x", Kind: c.kind, Secret: secret}})
		if err != nil {
			t.Fatal(err)
		}
		got, err := hs.byName["x"].decode(Hook{}, http.Header{"X-Github-Event": {c.event}}, payload(t, c.file))
		if d := cmp.Diff(c.want, got, cmpopts.EquateEmpty()); d != "" || err != nil {
			t.Errorf("%s: %v (-want +got)\n%s", c.file, err, d)
		}
	}
}

// TestSignature checks the example of GitHub's documentation.
func TestSignature(t *testing.T) {
	const sum = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
	for sig, want := range map[string]bool{"sha256=" + sum: true, sum: false, "sha256=" + sum[:62]: false, "sha256=": false, "": false, "sha1=" + sum: false, "sha256=zz": false} {
		if got := signed(notify.Secret("It's a Secret to Everybody"), sig, []byte("Hello, World!")); got != want {
			t.Errorf("%q: %v", sig, got)
		}
	}
}

func sign(body string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

func TestHooks(t *testing.T) {
	disk := state.NewMemory()
	configured := func(o *Options) {
		o.Config.Hooks = []Hook{
			{Name: "hub", Kind: GitHub, Secret: secret, Tags: []string{"shop"}, Group: "web"},
			{Name: "lab", Kind: GitLab, Secret: secret},
			{Name: "ci", Kind: Generic, Secret: secret, Map: map[string]string{"title": "deploy {v}", "labels.host": "{hosts.0.name}", "tags": "{tags}", "at": "{at}"}},
			{Name: "slow", Kind: Generic, Secret: secret, Rate: 1e-9},
		}
	}
	s := open(t, disk, configured)
	deployment := string(payload(t, "github_deployment"))
	hub := func(body, id string) map[string]string {
		return map[string]string{"X-Hub-Signature-256": sign(body), "X-GitHub-Event": "deployment", "X-GitHub-Delivery": id}
	}
	post := func(hook, body string, header map[string]string) (int, string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/api/events/hook/"+hook, strings.NewReader(body))
		r.SetPathValue("name", hook)
		for k, v := range header {
			r.Header.Set(k, v)
		}
		w := httptest.NewRecorder()
		s.Hooks().ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	for _, c := range []struct {
		name, hook, body string
		header           map[string]string
		code             int
		want             string
	}{
		{"no hook", "none", "{}", nil, 404, "no hook of this name"},
		{"no signature", "hub", deployment, nil, 401, "X-Hub-Signature-256"},
		{"of another body", "hub", deployment + " ", hub(deployment, "1"), 401, "X-Hub-Signature-256"},
		{"good", "hub", deployment, hub(deployment, "1"), 200, `"added"`},
		{"again", "hub", deployment, hub(deployment, "1"), 200, `"delivered"`},
		{"again under another ID", "hub", deployment, hub(deployment, "2"), 200, `"known"`},
		{"not JSON", "hub", "payload=%7B", hub("payload=%7B", "3"), 400, "content type application/json"},
		{"wrong token", "lab", "{}", map[string]string{"X-Gitlab-Token": "x"}, 401, "X-Gitlab-Token"},
		{"no event", "lab", `{"object_kind":"note"}`, map[string]string{"X-Gitlab-Token": secret}, 200, `"ignored"`},
		{"mapped", "ci", `{"v":7,"tags":["a","b"],"hosts":[{"name":"web-1"}],"at":"2026-11-21T11:00:00Z"}`, map[string]string{"Authorization": "Bearer " + secret}, 200, `"added"`},
		{"signed", "ci", `{"v":8}`, map[string]string{"X-Hub-Signature-256": sign(`{"v":8}`)}, 200, `"added"`},
		{"a wrong signature beside the right token", "ci", `{"v":8}`, map[string]string{"X-Hub-Signature-256": "sha256=00", "Authorization": "Bearer " + secret}, 401, "Bearer"},
		{"finds nothing", "ci", `{"w":8}`, map[string]string{"Authorization": "Bearer " + secret}, 400, `mapping \"deploy {v}\" finds nothing`},
		{"bad time", "ci", `{"v":8,"at":"soon"}`, map[string]string{"Authorization": "Bearer " + secret}, 400, `time \"soon\"`},
		{"too large", "ci", strings.Repeat("x", maxDelivery+1), map[string]string{"Authorization": "Bearer " + secret}, 413, "more than 4194304 bytes"},
	} {
		code, body := post(c.hook, c.body, c.header)
		if code != c.code || !strings.Contains(strings.ReplaceAll(body, `\\\"`, `\"`), c.want) && !strings.Contains(strings.ReplaceAll(body, `\\`, ``), c.want) {
			t.Errorf("%s: %d %s", c.name, code, body)
		}
	}
	e := s.List(Query{Text: "source:hook:ci", Tags: []string{"a"}})
	if len(e) != 1 || e[0].Labels["host"] != "web-1" || e[0].Title != "deploy 7" || e[0].At.Hour() != 11 {
		t.Errorf("%+v", e)
	}
	e = s.List(Query{Tags: []string{"deploy", "shop"}, Labels: map[string]string{"group": "web"}})
	if len(e) != 1 || e[0].Source != "hook:hub" {
		t.Errorf("%+v", e)
	}
	code := 0
	for range hookBurst + 1 {
		code, _ = post("slow", `{"title":"x"}`, map[string]string{"Authorization": "Bearer " + secret})
	}
	if code != http.StatusTooManyRequests || s.Snapshot()["refused_hook_rate"] != 1 || s.Snapshot()["refused_hook_signature"] != 4 {
		t.Errorf("%d, %v", code, s.Snapshot())
	}
	// Deliveries are remembered on disk, and so many of them only.
	s = open(t, disk, configured)
	if _, body := post("hub", deployment, hub(deployment, "1")); !strings.Contains(body, "delivered") {
		t.Error(body)
	}
}

func TestSeenIsBounded(t *testing.T) {
	disk := state.NewMemory()
	s := open(t, disk, nil)
	for i := range maxSeen + 50 {
		d := &delivery{key: "h/" + strings.Repeat("x", i%7) + time.Duration(i).String(), at: now().Add(time.Duration(i) * time.Second)}
		if err := s.note(t.Context(), d, d.at); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(open(t, disk, nil).seen); n != maxSeen || len(s.seen) != maxSeen {
		t.Errorf("%d on disk, %d in memory", n, len(s.seen))
	}
}

func TestHookConfig(t *testing.T) {
	good := Hook{Name: "a", Kind: Generic, Secret: secret}
	for want, change := range map[string]func(*Hook){
		"":                         func(*Hook) {},
		"small letters":            func(h *Hook) { h.Name = "A/b" },
		"none of github":           func(h *Hook) { h.Kind = "bitbucket" },
		"want 16 characters":       func(h *Hook) { h.Secret = "x" },
		"one of title, text":       func(h *Hook) { h.Map = map[string]string{"titel": "x"} },
		"want {path.to.field}":     func(h *Hook) { h.Map = map[string]string{"title": "x {y"} },
		"map: only of kind":        func(h *Hook) { h.Kind, h.Map = GitHub, map[string]string{"title": "x"} },
		"there is another one":     func(h *Hook) { h.Name = "twice" },
		"branches: only of kinds":  func(h *Hook) { h.Branches = []string{"main"} },
		"17 tags and 0 labels, at": func(h *Hook) { h.Tags = strings.Split("a b c d e f g h i j k l m n o p q", " ") },
	} {
		h := good
		change(&h)
		c := DefaultConfig()
		c.Hooks = []Hook{h, {Name: "twice", Kind: GitHub, Secret: secret}}
		err := c.Validate()
		if (err == nil) != (want == "") || err != nil && (!strings.Contains(err.Error(), want) || strings.Contains(err.Error(), secret)) {
			t.Errorf("%q: %v", want, err)
		}
	}
}

// TestTurns: a delivery waits for those that are being read, but not for ever,
// and a stranger is sent away at once.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, state.NewMemory(), func(o *Options) {
			o.Config.Hooks = []Hook{{Name: "ci", Kind: Generic, Secret: secret}}
		})
		post := func(token string) int {
			r := httptest.NewRequest(http.MethodPost, "/api/events/hook/ci", strings.NewReader(`{"title":"deploy 1"}`))
			r.SetPathValue("name", "ci")
			r.Header.Set("Authorization", "Bearer "+token)
			w := httptest.NewRecorder()
			s.Hooks().ServeHTTP(w, r)
			return w.Code
		}
		turns := s.hooks.Load().turns
		for range cap(turns) {
			turns <- struct{}{}
		}
		began := time.Now()
		if got := post("stranger"); got != http.StatusUnauthorized || time.Since(began) > 0 {
			t.Errorf("a stranger: %d after %v", got, time.Since(began))
		}
		if got := post(secret); got != http.StatusServiceUnavailable {
			t.Errorf("with no place: %d", got)
		}
		time.AfterFunc(time.Second, func() { <-turns })
		if got := post(secret); got != http.StatusOK || len(s.List(Query{})) != 1 {
			t.Errorf("with a place in a second: %d", got)
		}
	})
}

// FuzzDecode has strangers' deliveries make events that can be taken or that are
// refused, and nothing else.
func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) < 7 {
		f.Fatal(files, err)
	}
	for _, name := range files {
		body, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, event := range []string{"deployment_status", "release", "push"} {
			f.Add(event, body)
		}
	}
	f.Add("", []byte(`{"title":"x","tags":["a",1,null,{}],"at":1795262400,"labels":{"group":"web"}}`))
	s := open(f, state.NewMemory(), nil)
	hs, err := newHooks([]Hook{{Name: "hub", Kind: GitHub}, {Name: "lab", Kind: GitLab}, {Name: "ci", Kind: Generic, Group: "web", Tags: []string{"deploy"}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, event string, body []byte) {
		for _, h := range hs.byName {
			e, err := h.decode(h.Hook, http.Header{"X-Github-Event": {event}}, body)
			if err != nil || e == nil {
				continue
			}
			h.label(e)
			done, what, err := s.resolve(e.tidy(), now())
			if err != nil {
				continue
			}
			if err := done.check(now()); err != nil || what != Added || len(done.ID) != 13 {
				t.Errorf("%s: %+v: %v", what, done, err)
			}
			if len(s.line(&done, "added", now()).Raw) > 64<<10 {
				t.Error("a line is too long")
			}
		}
	})
}
