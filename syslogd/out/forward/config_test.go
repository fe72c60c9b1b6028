package forward

import (
	"strings"
	"testing"
	"time"

	"rondo/syslogd/out"
)

func TestValidate(t *testing.T) {
	check := func(c Config, want string) {
		t.Helper()
		if c.To == nil {
			c.To = []string{"a:514"}
		}
		err := c.Validate()
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	check(Config{}, "")
	check(Config{To: []string{"a:6514", "[::1]:6514"}, Proto: TLS, Mode: Balance, TLS: out.TLS{MinVersion: "1.3"}}, "")
	check(Config{Proto: RELPTLS, Window: 1, Origin: true, Failback: time.Second}, "")
	check(Config{To: []string{}}, "to: want 1 to 64 servers")
	check(Config{To: []string{"a"}}, `to: "a" is not host:port`)
	check(Config{To: []string{":514"}}, "is not host:port")
	check(Config{Proto: "sctp"}, `proto: "sctp" is none of tcp, tls, udp, relp, relp-tls`)
	check(Config{Format: "json"}, `format: "json"`)
	check(Config{Framing: "nul"}, `framing: "nul"`)
	check(Config{Mode: "random"}, `mode: "random"`)
	check(Config{Window: -1}, "window: -1 is not within 1 and")
	check(Config{MaxMessage: 100}, "max_message: 100")
	check(Config{Rate: -1}, "rate: -1")
	check(Config{Failback: time.Millisecond}, "failback")
	check(Config{TLS: out.TLS{Name: "x"}}, "proto: tcp is not secured")
	check(Config{Proto: TLS, TLS: out.TLS{MinVersion: "1.0"}}, "min_version")
	check(Config{Origin: true, Format: Raw}, "origin: format raw")
}

// New looks at the files, so that the configuration is what is told wrong.
func TestNewReadsFiles(t *testing.T) {
	_, err := New(Config{To: []string{"a:1"}, Proto: TLS, TLS: out.TLS{CA: "/does/not/exist"}}, quiet())
	if err == nil || !strings.Contains(err.Error(), "ca:") {
		t.Error(err)
	}
}
