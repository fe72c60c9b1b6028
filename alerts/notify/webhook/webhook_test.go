package webhook

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"

	"rondo/alerts/notify"
	"rondo/alerts/notify/post"
	"rondo/syslogd/peertest"
)

// TestSigned: a receiver can check what was sent, with Verify and with openssl
// as the package comment says.
func TestSigned(t *testing.T) {
	const secret = "s3cret"
	var header http.Header
	var body []byte
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		header = r.Header
		body, _ = io.ReadAll(r.Body)
	}))
	defer srv.Close()
	s, err := New(Config{URL: notify.Secret(srv.URL), Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	n := group(time.Now())
	n.Key = "group-17"
	if err := s.Send(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	if header.Get("Idempotency-Key") != "group-17" {
		t.Errorf("header %v", header)
	}
	now := time.Now()
	for _, c := range []struct {
		what string
		err  error
	}{
		{"as it is", Verify(secret, header, body, now, time.Minute)},
		{"another secret", Verify("other", header, body, now, time.Minute)},
		{"another body", Verify(secret, header, append(body, ' '), now, time.Minute)},
		{"too late", Verify(secret, header, body, now.Add(2*time.Minute), time.Minute)},
		{"not signed", Verify(secret, http.Header{}, body, now, time.Minute)},
	} {
		if good := c.what == "as it is"; good != (c.err == nil) || !good && !errors.Is(c.err, ErrSignature) {
			t.Errorf("%s: %v", c.what, c.err)
		}
	}
	cmd := exec.CommandContext(t.Context(), peertest.Find(t, "openssl").Path, "dgst", "-sha256", "-hmac", secret)
	cmd.Stdin = strings.NewReader(header.Get(TimestampHeader) + "." + string(body))
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if _, hex, _ := strings.Cut(strings.TrimSpace(string(out)), "= "); header.Get(SignatureHeader) != "sha256="+hex {
		t.Errorf("openssl says %s, we sent %s", out, header.Get(SignatureHeader))
	}
}

func TestOptions(t *testing.T) {
	n := group(time.Now())
	b, err := Config{MaxAlerts: 1, Reason: true}.body(n)
	if err != nil {
		t.Fatal(err)
	}
	if s := string(b); !strings.HasSuffix(s, `"truncatedAlerts":2,"notification_reason":"new"}`+"\n") || strings.Count(s, "fingerprint") != 1 {
		t.Error(s)
	}
	for want, c := range map[string]Config{
		"url: want http":    {},
		"url cannot be":     {URL: "http://%zz"},
		"max_alerts -1":     {URL: "http://h", MaxAlerts: -1},
		"cert and key":      {URL: "http://h", HTTP: withCert()},
		"no certificate in": {URL: "http://h", HTTP: withCA("webhook_test.go")},
	} {
		err := c.Validate()
		if err == nil {
			_, err = New(c)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func withCert() (c post.Config) { c.TLS.Cert = "x.pem"; return c }

func withCA(file string) (c post.Config) { c.TLS.CA = file; return c }

func BenchmarkBody(b *testing.B) {
	n := group(time.Now())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Body(n); err != nil {
			b.Fatal(err)
		}
	}
}
