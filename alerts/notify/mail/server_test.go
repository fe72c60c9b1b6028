package mail

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/mail"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rondo/alerts"
	"rondo/alerts/notify"
	"rondo/syslogd/peertest"
)

// A server is a running aiosmtpd.
type server struct {
	folder, address string
}

func run(t *testing.T, args ...string) server {
	t.Helper()
	const python = "/usr/bin/python3" // Debian's, which has Debian's packages
	s := server{folder: t.TempDir()}
	cmd := exec.CommandContext(t.Context(), python, append([]string{"testdata/server.py", s.folder}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	port, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if strings.TrimSpace(port) == "missing" {
		t.Skip("SKIPPED: python3-aiosmtpd is missing: run .ci/deps")
	}
	s.address = "127.0.0.1:" + strings.TrimSpace(port)
	return s
}

// envelope is what the server was told beside a mail.
type envelope struct {
	From string
	To   []string
	TLS  bool
	User bool
}

// mails are all that the server has taken.
func (s server) mails(t *testing.T) (all []*mail.Message, es []envelope) {
	t.Helper()
	for i := 1; ; i++ {
		f, err := os.Open(filepath.Join(s.folder, fmt.Sprint(i, ".eml")))
		if err != nil {
			return all, es
		}
		t.Cleanup(func() { f.Close() })
		m, err := mail.ReadMessage(f)
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(s.folder, fmt.Sprint(i, ".json")))
		if err != nil {
			t.Fatal(err)
		}
		var e envelope
		if err := json.Unmarshal(b, &e); err != nil {
			t.Fatal(err)
		}
		all, es = append(all, m), append(es, e)
	}
}

func config(s server) Config {
	return Config{Server: s.address, From: "Röndo <rondo@example.com>", To: []string{"Ops <ops@example.com>"}, TLS: None}
}

func sender(t testing.TB, c Config, g Grapher) *Sender {
	t.Helper()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	s, err := New(c, g, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func notice(change func(*alerts.Transition)) notify.Notice {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	tr := alerts.Transition{
		ID: "load-1", Rule: "load", Labels: alerts.NewLabels(map[string]string{"host": "web-1"}), To: alerts.Critical,
		Since: at, At: at.Add(time.Minute), Value: 137, Text: "run_queue is 137", Expr: "run_queue",
	}
	if change != nil {
		change(&tr)
	}
	return notify.OfTransition(tr, "mail", "https://rondo.example.com")
}

// TestServer speaks to a real mail server in all the ways of encryption and
// authentication.
func TestServer(t *testing.T) {
	a := peertest.NewAuthority(t)
	id := a.Issue(t, "smtp.example.com", time.Hour)
	for _, c := range []struct {
		name, tls, auth string
		change          func(*Config)
		want            string
	}{
		{"plain", None, "", nil, ""},
		{"starttls", StartTLS, "", func(c *Config) { c.Trust.CA = a.File }, ""},
		{"starttls by default, PLAIN", StartTLS, "plain", func(c *Config) { c.TLS = ""; c.Trust.CA = a.File }, ""},
		{"starttls, LOGIN", StartTLS, "login", func(c *Config) { c.Trust.CA = a.File }, ""},
		{"implicit, LOGIN", Implicit, "login", func(c *Config) { c.Trust.CA, c.Trust.Name = a.File, "smtp.example.com" }, ""},
		{"implicit", Implicit, "", func(c *Config) { c.Trust.CA = a.File }, ""},
		{"not trusted", StartTLS, "", nil, "again: .*unknown authority"},
		{"another name", Implicit, "", func(c *Config) { c.Trust.CA, c.Trust.Name = a.File, "other.example.com" }, "again: .*not other.example.com"},
		{"no STARTTLS there", None, "", func(c *Config) { c.TLS = StartTLS }, "again: .*offers no STARTTLS"},
		{"wrong password", StartTLS, "plain", func(c *Config) { c.Trust.CA, c.Password = a.File, "other" }, "again: .*535"},
		{"refused", None, "", func(c *Config) { c.To = []string{"no@example.com"} }, "final: .*550"},
		{"put off", None, "", func(c *Config) { c.To = []string{"later@example.com", "ops@example.com"} }, "again: .*451"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			args := []string{c.tls, id.Cert, id.Key}
			if c.auth != "" {
				args = append(args, c.auth)
			}
			srv := run(t, args...)
			conf := config(srv)
			conf.TLS = c.tls
			if c.auth != "" {
				conf.User, conf.Password = "rondo", "s3cret é"
			}
			if c.change != nil {
				c.change(&conf)
			}
			err := sender(t, conf, nil).Send(t.Context(), notice(nil))
			if got := outcome(err); !matches(c.want, got) {
				t.Fatalf("got %s, want %s", got, c.want)
			}
			all, es := srv.mails(t)
			if c.want != "" {
				if len(all) != 0 {
					t.Errorf("%d mails", len(all))
				}
				return
			}
			if len(all) != 1 || es[0].From != "rondo@example.com" || es[0].TLS != (c.tls != None) || es[0].User != (c.auth != "") {
				t.Errorf("%d mails, %+v", len(all), es)
			}
		})
	}
}

// TestSomeRefused: one bad address does not keep the mail from the others.
func TestSomeRefused(t *testing.T) {
	srv := run(t, None)
	c := config(srv)
	c.To = []string{"ops@example.com", "no@example.com", "night@example.com"}
	err := sender(t, c, nil).Send(t.Context(), notice(nil))
	if got := outcome(err); !matches("final: .*no@example.com", got) {
		t.Error(got)
	}
	if _, es := srv.mails(t); len(es) != 1 || len(es[0].To) != 2 {
		t.Errorf("%+v", es)
	}
}
