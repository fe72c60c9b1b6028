package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"rondo/alerts/role"
)

const rolesYAML = `web: {listen: "127.0.0.1:{web}"}
syslogd: {udp: "", tcp: "", canary: {interval: 0}}
collectors: [{kind: graphite, listen: "127.0.0.1:{graphite}"}]
fleet: {templates: ["fleet.<group>.<host>.*"]}
agents: {token: "sixteen bytes or more", profiles: [{name: all, interval: 7s}]}
roles:
  - name: web
    groups: [web, web-eu]
    settings:
      interval: 1s
      files: [{paths: ["{dir}/app.log"], app: shop}]
      parameters: {tier: front}
    checks:
      metrics: [{name: load, expr: 'load1 or {__name__=~".*[.]load1"}', raise: 1e6, missing: ok}]
      tcp: [{name: listens, port: {syslog}, interval: 5s}]
    logs: [{name: alive, window: 5m, expect: member}]
    dashboard:
      - {title: Load of it, expr: 'load1 or {__name__=~".*[.]load1"}'}
      - {title: Load of all, expr: 'sum(load1 or {__name__=~".*[.]load1"})', per: group}
  - {name: db}
`

// joinedAgent runs an agent that joins a group.
func joinedAgent(t *testing.T, p *proc, host, group string) *proc {
	t.Helper()
	token, err := tokenFlags{Group: group, Count: 1, For: span(time.Hour), Static: true}.create(t.Context(), clientFlags{Data: filepath.Join(p.dir, "data")})
	if err != nil {
		t.Fatal(err)
	}
	conf := fmt.Sprintf("server: http://%s\ntoken_file: token\ndata: agent\nhost: %s\nec2: {off: true}\nmetrics: {interval: 1s}\nallow_paths: [%q]\n", p.addr("web"), host, p.dir+"/**")
	for name, text := range map[string]string{"agent.yml": conf, "token": token.Text + "\n"} {
		if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	bin, err := exec.LookPath("rondo")
	if err != nil {
		t.Fatal(err)
	}
	a := &proc{t: t}
	cmd := exec.Command(bin, "agent", "--config", "agent.yml")
	cmd.Dir = p.dir
	a.run(cmd)
	return a
}

// until waits for what must become true.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	waitFor(t, func() error {
		if !is() {
			return errors.New("not yet: " + what)
		}
		return nil
	})
}

// withdraw says that a host goes on purpose.
func withdraw(t *testing.T, p *proc, host string) {
	t.Helper()
	body, err := clientFlags{Data: filepath.Join(p.dir, "data")}.do(t.Context(), http.MethodPost, "/api/hosts/"+host+"/withdraw", nil)
	if err != nil {
		t.Fatal(err)
	}
	body.Close()
}

// roleNow asks for a role.
func roleNow(t *testing.T, p *proc, name string) role.View {
	t.Helper()
	var v role.View
	if err := p.get("/api/roles/"+name, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// page is a page's text.
func page(t *testing.T, p *proc, path string) (int, string) {
	t.Helper()
	resp, err := http.Get(p.url(path))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// statesOf names the rules that have a state for a host, with its status.
func statesOf(t *testing.T, p *proc, host string) map[string]string {
	t.Helper()
	var all []struct {
		Rule, Status string
		Labels       map[string]string
	}
	if err := p.get("/api/alerts", &all); err != nil {
		t.Fatal(err)
	}
	out := make(map[string]string)
	for _, s := range all {
		if s.Labels["host"] == host {
			out[s.Rule] = s.Status
		}
	}
	return out
}

// TestNewHostIsComplete: with its first heartbeat a host has its role's panels,
// checks, log expectation and profile; when it is withdrawn nothing is left of
// it but its past.
func TestNewHostIsComplete(t *testing.T) {
	p := newProc(t, rolesYAML)
	listens, err := net.Listen("tcp", p.addr("syslog"))
	if err != nil {
		t.Fatal(err)
	}
	defer listens.Close()
	if err := os.WriteFile(filepath.Join(p.dir, "app.log"), []byte("shop is open\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.start()
	agent := joinedAgent(t, p, "web-1", "web-eu")
	complete := func() bool {
		got := statesOf(t, p, "web-1")
		return got["web/load"] == "ok" && got["web/listens"] == "ok" && got["web/alive"] == "ok"
	}
	until(t, "first heartbeat", func() bool { return len(roleNow(t, p, "web").Members) == 1 })
	began := time.Now()
	until(t, "all states", complete)
	t.Logf("complete %v after the role knew of it", time.Since(began))
	until(t, "the panel", func() bool {
		_, text := page(t, p, "/hosts/web-1")
		return strings.Contains(text, "Load of it") && !strings.Contains(text, "Load of all") && strings.Contains(text, `href="/roles/web?`)
	})
	until(t, "the profile's file", func() bool {
		_, text := page(t, p, "/api/logs?q=app:shop")
		return strings.Contains(text, "shop is open")
	})
	if _, text := page(t, p, "/roles/web"); !strings.Contains(text, "web-1") || !strings.Contains(text, "Load of all") || !strings.Contains(text, "shop is open") {
		t.Errorf("the role's page lacks something:\n%s", text)
	}
	if db := roleNow(t, p, "db"); len(db.Members) != 0 {
		t.Errorf("db has %v", db.Members)
	}

	// What ends on purpose is no problem: the port is closed only then.
	withdraw(t, p, "web-1")
	agent.kill()
	listens.Close()
	until(t, "no state", func() bool {
		for rule := range statesOf(t, p, "web-1") {
			if strings.HasPrefix(rule, "web/") {
				return false
			}
		}
		return len(roleNow(t, p, "web").Members) == 0
	})
	if status, text := page(t, p, "/hosts/web-1"); status != http.StatusOK || !strings.Contains(text, "Load of it") {
		t.Errorf("its past is gone: %d", status)
	}
	if _, text := page(t, p, "/api/alerts/transitions"); strings.Contains(text, `"critical"`) || strings.Contains(text, `"warning"`) {
		t.Errorf("an alarm: %s", text)
	}
}

// TestManyHostsAreCompleteAtOnce: a hundred that join in one second.
func TestManyHostsAreCompleteAtOnce(t *testing.T) {
	p := newProc(t, strings.Replace(rolesYAML, "tcp: [{name: listens, port: {syslog}, interval: 5s}]", "", 1))
	p.start()
	const hosts = 100
	conn, err := net.Dial("tcp", p.addr("graphite"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	began := time.Now()
	for i := range hosts {
		fmt.Fprintf(conn, "fleet.web.web-%d.load1 1 %d\n", i, began.Unix())
	}
	until(t, "all states", func() bool {
		v := roleNow(t, p, "web")
		return len(v.Members) == hosts && !slices.ContainsFunc(v.Members, func(m role.Member) bool { return m.States < 3 }) // host-silent too
	})
	t.Logf("%d hosts are complete after %v", hosts, time.Since(began))
	if status, text := page(t, p, "/roles/web"); status != http.StatusOK || !strings.Contains(text, "showing 40 of 100") {
		t.Errorf("the page: %d", status)
	}
	for i := range hosts {
		withdraw(t, p, fmt.Sprint("web-", i))
	}
	until(t, "no state", func() bool {
		v := roleNow(t, p, "web")
		return len(v.Members) == 0 && !slices.ContainsFunc(v.Rules, func(r role.Rule) bool { return r.States > 0 })
	})
	if _, text := page(t, p, "/api/alerts/transitions"); strings.Contains(text, `"critical"`) {
		t.Errorf("an alarm: %s", text)
	}
}
