package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"rondo/collectors/agent"
	"rondo/syslogd/filter"
)

const profilesYAML = `syslogd: {udp: "", tcp: ""}
agents:
  profiles:
    - name: web
      groups: [web]
      hosts: ["web-*"]
      interval: 5s
      filter: 'severity<=info'
      files:
        - {paths: [/var/log/nginx/*.log], app: nginx, max_line: 8192}
        - {paths: ["/var/log/app/${PROFILE_TEST}.log"], multiline: {start: '^\d+', max_lines: 9}}
      stages:
        - redact: {patterns: [password]}
        - {filter: 'app:nginx', sample: {one_in: 10}}
        - rewrite: {replace: [{regex: 'a(.)', with: '${1}b'}]}
    - name: all
      files: [{paths: [/var/log/syslog], parse: auto}]
`

func profilesOf(t *testing.T, text string) []profileConfig {
	t.Helper()
	n, err := parseTree("rondo.yml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	c, err := configOf(n)
	if err != nil {
		t.Fatal(err)
	}
	return c.Agents.Profiles
}

// TestProfileIsHandedOver: what the agent reads is what the server read, and no
// variable of the agent's environment gets into it.
func TestProfileIsHandedOver(t *testing.T) {
	t.Setenv("PROFILE_TEST", "servers")
	all := profilesOf(t, profilesYAML)
	t.Setenv("PROFILE_TEST", "agents")
	for _, p := range all {
		got, err := parseProfile(p.text)
		same := cmp.Comparer(func(a, b *filter.Filter) bool { return fmt.Sprint(a) == fmt.Sprint(b) })
		if diff := cmp.Diff(&p.profile, got, same, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s\n%s", p.Name, err, diff, p.text)
		}
	}
	if got := all[0].Files[1].Paths[0]; got != "/var/log/app/servers.log" || strings.Contains(string(all[0].text), `"groups"`) {
		t.Errorf("%s\n%s", got, all[0].text)
	}
	hostile := `{"files":[{"paths":["/var/log/${PROFILE_TEST}"]}]}`
	if p, err := parseProfile([]byte(hostile)); err != nil || p.Files[0].Paths[0] != "/var/log/${PROFILE_TEST}" {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestProfileFits(t *testing.T) {
	h := &handout{profiles: func() []profileConfig { return profilesOf(t, strings.ReplaceAll(profilesYAML, "${PROFILE_TEST}", "x")) }}
	for who, want := range map[[2]string]string{
		{"web-1", "web"}: "web", {"web-1", "db"}: "all", {"other", "web"}: "all", {"", ""}: "all",
	} {
		if got := h.find(who[0], who[1]).Name; got != want {
			t.Errorf("%q: %q, want %q", who, got, want)
		}
	}
}

// TestProfileErrors: each with its place.
func TestProfileErrors(t *testing.T) {
	f := func(profile string, want ...string) {
		t.Helper()
		n, err := parseTree("rondo.yml", []byte("agents:\n  profiles:\n    - "+profile+"\n"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = configOf(n)
		for _, w := range want {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %v, want %q", profile, err, w)
			}
		}
	}
	f(`{name: a, fils: []}`, `rondo.yml:3:17: unknown key "fils"`, "files")
	f(`{name: a, files: [{paths: [relative]}]}`, `rondo.yml:3:8: agents: profile "a": files: 1: paths: "relative" is not an absolute path`)
	f(`{name: a, filter: 'severity<'}`, `rondo.yml:3:25: filter`)
	f(`{name: a, interval: 1ms}`, `rondo.yml:3:8: agents: profile "a": interval: 1ms is less than 1s`)
	f(`{name: a, stages: [{}]}`, `profile "a": stages: `, "nothing to do")
	f(`{name: a, hosts: ["["]}`, `hosts: "[" is not a glob`)
	f(`{files: []}`, `a profile needs a name`)
	f(`{name: a, data: /x}`, `unknown key "data"`) // nothing but what a profile is
}

func TestAllowList(t *testing.T) {
	l := allowList{"/var/log/**", "/srv/*/logs/**", "/opt/app/out.log", "/data/*.log"}
	if err := l.validate(); err != nil {
		t.Fatal(err)
	}
	for glob, want := range map[string]bool{
		"/var/log/syslog": true, "/var/log/**": true, "/var/log/**/*.log": true, "/var/log/a/b/*": true, "/srv/web/logs/x": true, "/srv/*/logs/*.log": true,
		"/opt/app/out.log": true, "/data/a.log": true, "/data/*.log": true,
		"/etc/shadow": false, "/var/log": false, "/var/log/../../etc/shadow": false, "/var/**": false, "/**": false, "/var/*/syslog": false, "/var/lo?/x": false,
		"/var/log/": false, "/var/logs/x": false, "/srv/web/x": false, "/srv/a*/logs/x": false, "/srv/**/logs/x": false, "/srv/a/b/logs/x": false, "/opt/app/*": false,
		"/data/sub/a.log": false, "/data/a*.log": false, "/data/\\*.log": false, "var/log/x": false, "": false,
	} {
		if got := l.allows(glob); got != want {
			t.Errorf("%q: %v", glob, got)
		}
	}
	for _, a := range []string{"log", "/var/log/..", "/var//log", "/a/**/b", "/[", "/var/log/"} {
		if err := (allowList{a}).validate(); err == nil {
			t.Errorf("%q is taken", a)
		}
	}
	if err := defaultAllow().validate(); err != nil {
		t.Error(err)
	}
}

// TestAllowListBehindLinks: where a file's path without links counts, those that
// the list itself has in its folders do not matter.
func TestAllowListBehindLinks(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err == nil {
		err = errors.Join(os.MkdirAll(dir+"/mnt/log/pods", 0o700), os.Symlink(dir+"/mnt/log", dir+"/log"))
	}
	if err != nil {
		t.Fatal(err)
	}
	l := allowList{dir + "/log/**", dir + "/srv/*/out.log", dir + "/gone/x.log", "/data/*/logs/**"}.resolved()
	for file, want := range map[string]bool{
		"/mnt/log/a": true, "/mnt/log/pods/ns_[x]/0.log": true, "/srv/web/out.log": true, "/gone/x.log": true,
		"/mnt/log": false, "/mnt/logs/a": false, "/log/a": false, "/srv/web/out.log.1": false, "/etc/shadow": false,
	} {
		if err := l.leads(dir + file); (err == nil) != want {
			t.Errorf("%s: %v", file, err)
		}
	}
	if err := l.leads("/data/web/logs/a/b"); err != nil {
		t.Error(err)
	}
	if err := l.leads("/var/lib/docker/0.log"); err == nil || !strings.Contains(err.Error(), "add /var/lib/docker/**") {
		t.Error(err)
	}
}

// keysOf lets in whose key is the name of his host.
type keysOf map[string]agent.Identity

func (k keysOf) Authorize(_ context.Context, key string, _ netip.Addr) (agent.Identity, error) {
	if id, ok := k[key]; ok {
		return id, nil
	}
	return agent.Identity{}, agent.ErrRefused
}

// TestProfileClient: an agent follows its server's profiles, keeps the newest,
// refuses what it must not read, and says so.
func TestProfileClient(t *testing.T) {
	served := profilesOf(t, "agents: {profiles: [{name: a, files: [{paths: [/var/log/a]}]}]}")
	h := &handout{auth: keysOf{"k": {ID: "i-1", Host: "web-1"}}, last: map[string]handed{}, profiles: func() []profileConfig { return served }}
	srv := httptest.NewServer(h)
	defer srv.Close()
	applied := "nothing"
	client := func(key string) *profileClient {
		conf := &agentConfig{Server: srv.URL + "/", Data: t.TempDir(), AllowPaths: defaultAllow()}
		return newProfileClient(conf, func() (string, error) { return key, nil }, srv.Client().Transport,
			func(_ context.Context, p *profile) error {
				if applied = "own file"; p != nil {
					applied = p.Files[0].Paths[0]
				}
				return nil
			}, slog.New(slog.DiscardHandler))
	}
	c := client("k")
	ask := func(want string, state string) {
		t.Helper()
		for range 2 { // the second time says what became of the first
			if err := c.ask(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if words := h.of("i-1").words(); applied != want || !strings.Contains(words, state) {
			t.Errorf("applied %s, %s; want %s, %s", applied, words, want, state)
		}
	}
	ask("/var/log/a", "a "+served[0].version)
	first, _ := c.state()
	served = profilesOf(t, "agents: {profiles: [{name: b, files: [{paths: [/etc/shadow]}]}]}")
	ask("/var/log/a", `b refused: "/etc/shadow" is not among this host's allow_paths (/var/log/**)`)
	if now, _ := c.state(); now != first || !strings.Contains(c.words(), "refused") {
		t.Error("what was refused is in use")
	}
	served = profilesOf(t, "agents: {profiles: [{name: c, files: [{paths: [/var/log/c]}]}]}")
	ask("/var/log/c", "c "+served[0].version)

	again := client("k")
	again.file = c.file
	if p := again.kept(); p == nil || p.Files[0].Paths[0] != "/var/log/c" || again.words() != c.words() {
		t.Errorf("after a restart: %+v", p)
	}
	served = nil
	ask("own file", "none")
	if _, err := os.Stat(c.file); !errors.Is(err, os.ErrNotExist) {
		t.Error("a profile that is no more is kept:", err)
	}
	if err := client("other").ask(t.Context()); err == nil || !strings.Contains(err.Error(), "401") {
		t.Error(err)
	}
	if err := os.WriteFile(c.file, []byte(`{"files":[{"paths":["/etc/shadow"]}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if p := again.kept(); p != nil {
		t.Errorf("a kept file that was altered: %+v", p)
	}
}

// TestProfileAnnounced: answers to other requests wake the client, once for each
// version.
func TestProfileAnnounced(t *testing.T) {
	served := profilesOf(t, "agents: {profiles: [{name: a, interval: 5s}]}")
	h := &handout{auth: keysOf{"k": {ID: "i-1"}}, last: map[string]handed{}, profiles: func() []profileConfig { return served }}
	srv := httptest.NewServer(h.announce(http.NotFoundHandler()))
	defer srv.Close()
	c := newProfileClient(&agentConfig{Server: srv.URL}, nil, srv.Client().Transport, nil, slog.New(slog.DiscardHandler))
	woken := func(key string) bool {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+key)
		answer, err := c.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		select {
		case <-c.wake:
			return true
		default:
			return false
		}
	}
	if woken("other") || !woken("k") || woken("k") {
		t.Error("the first version is announced once, to whom it concerns")
	}
	served = nil
	if !woken("k") || c.heard != "none" || woken("k") {
		t.Error("that there is none any more is not announced")
	}
}

// TestProfileServed: the answers, as an HTTP client sees them.
func TestProfileServed(t *testing.T) {
	served := profilesOf(t, "agents: {profiles: [{name: a, groups: [web], interval: 5s}]}")
	h := &handout{auth: keysOf{"k": {ID: "i-1", Host: "web-1", Group: "web"}, "d": {ID: "i-2", Group: "db"}, "many": {}}, last: map[string]handed{}, profiles: func() []profileConfig { return served }}
	get := func(key, has string, status int) {
		t.Helper()
		r := httptest.NewRequest(http.MethodGet, profilePath, nil)
		r.Header.Set("Authorization", "Bearer "+key)
		r.Header.Set("If-None-Match", has)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != status || (status == 200) != (w.Header().Get("ETag") == `"`+served[0].version+`"`) {
			t.Errorf("%s %s: %d %s", key, has, w.Code, w.Header())
		}
	}
	get("k", `""`, 200)
	get("k", `"`+strings.Repeat("x", 1000)+`"`, 200)
	get("k", `"`+served[0].version+`"`, 304)
	get("d", "", 204)
	get("many", "", 204)
	get("", "", 401)
	if a := h.of("i-1"); a.Has != a.Want || a.Profile != "a" || time.Since(a.Asked) > time.Hour || len(h.last) != 2 {
		t.Errorf("%+v", h.last)
	}
}

// FuzzProfile: whatever a server hands out, the agent takes it, or refuses it
// with an error; what it takes is what a server could have meant.
func FuzzProfile(f *testing.F) {
	f.Add([]byte(`{"files":[{"paths":["/var/log/a"],"multiline":{"start":"^x"}}],"interval":"5s","stages":[{"redact":{"patterns":["password"]}}]}`))
	f.Add([]byte(`{"filter":"app:x","stages":[{"drop":true}]}`))
	f.Add([]byte(`{"files":null,"files":[]}`))
	f.Add([]byte(`[[[[[[[[[[[[[[[[[[[[[[[[`))
	f.Add([]byte(`{"interval":5} x`))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := parseProfile(text)
		if err != nil {
			return
		}
		if err := p.validate(); err != nil {
			t.Error(err)
		}
		_ = defaultAllow().check(p)
	})
}
