package fanout

import (
	"strings"
	"testing"
	"time"
)

func TestValidate(t *testing.T) {
	f := func(want string, all ...Config) {
		t.Helper()
		got := ""
		if err := Validate(all); err != nil {
			got = err.Error()
		}
		if (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	ok := Config{Name: "a", Run: []string{"/bin/true"}}
	f("", ok, Config{Name: "b", URL: "https://x/hook"}, Config{Name: "c", Over: OverSSM, Run: []string{"uptime"}})
	f(`commands: 2: name "a": want one of its own`, ok, ok)
	f(`name "a b"`, Config{Name: "a b", Run: ok.Run})
	f("run is missing", Config{Name: "a"})
	f("run: a webhook runs nothing", Config{Name: "a", URL: "https://x", Run: ok.Run})
	f("url: want http://", Config{Name: "a", Over: OverWebhook})
	f("named by its whole path", Config{Name: "a", Run: []string{"true"}})
	f(`over: "rsh"`, Config{Name: "a", Over: "rsh", Run: ok.Run})
	f("user is missing", Config{Name: "a", Over: OverSSH, Run: ok.Run})
	f("key: \"x\"", Config{Name: "a", User: "u", Key: "x", Run: ok.Run})
	f("known_hosts: \"\"", Config{Name: "a", User: "u", Key: "/x", Run: ok.Run})
	f("port: -1", Config{Name: "a", User: "u", Key: "/x", KnownHosts: "/y", Port: -1, Run: ok.Run})
	f("timeout: 2h", Config{Name: "a", Run: ok.Run, Timeout: 2 * time.Hour})
	f("at_once: 1000", Config{Name: "a", Run: ok.Run, AtOnce: 1000})
	f("NUL", Config{Name: "a", Run: []string{"/x", "\x00"}})
	if _, err := Jobs([]Config{{Name: "a", Over: OverSSM, Run: ok.Run}}, nil); err == nil || !strings.Contains(err.Error(), `command "a": nothing here can run it over ssm`) {
		t.Error(err)
	}
}
