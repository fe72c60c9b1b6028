package push_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"rondo/syslogd"
	"rondo/syslogd/loki"
	"rondo/syslogd/out"
	"rondo/syslogd/out/push"
	"rondo/syslogd/syslog"
	"rondo/syslogd/syslog/pin"
)

// pushed delivers a batch, and returns the error of that.
func pushed(t testing.TB, cfg push.Config, batch out.Batch) error {
	d, err := push.New(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s, err := d.Open(t.Context())
	if err != nil {
		return err
	}
	err = s.Send(t.Context(), batch)
	if closed := s.Close(t.Context()); err == nil {
		err = closed
	}
	if n, refused := s.Settled(); err == nil && (n != uint64(len(batch.Messages)) || refused != 0) {
		t.Errorf("%d settled, %d refused", n, refused)
	}
	return err
}

// TestLokiTakesAll: any message gets into Loki with all that it says. Both
// formats mean the same.
func TestLokiTakesAll(t *testing.T) {
	var got []syslog.Message
	api := loki.New(loki.Options{Sink: func() syslogd.Sink {
		return sink(func(_ context.Context, batch []syslog.Message) error {
			got = append(got, batch[0].Clone())
			return nil
		})
	}})
	srv := httptest.NewServer(api.Push())
	defer srv.Close()
	rapid.Check(t, func(r *rapid.T) {
		m := anyMessage(r)
		got = nil
		for _, format := range []push.Format{push.Loki, push.LokiJSON} {
			cfg := push.Config{Format: format, URL: []string{srv.URL}, Batch: push.Batch{Linger: time.Millisecond}}
			if err := pushed(t, cfg, out.Batch{Log: "x", Numbers: []uint64{1}, Messages: []syslog.Message{m}}); err != nil {
				r.Fatal(err)
			}
		}
		if len(got) != 2 {
			r.Fatalf("%d arrived of %+v", len(got), m)
		}
		got[0].Received = got[1].Received
		got[0].Sender = got[1].Sender
		if diff := cmp.Diff(got[0], got[1], cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
			r.Fatalf("the formats differ: %s", diff)
		}
		valid := func(s string) string { return string([]rune(s)) }
		g := got[1]
		if g.Host != valid(m.Origin()) || g.App != valid(m.App) || g.Text != valid(m.Text) || !g.Time.Equal(m.When()) ||
			g.PID != valid(m.PID) {
			r.Fatalf("sent %+v\ngot %+v", m, g)
		}
	})
}

func anyMessage(r *rapid.T) syslog.Message {
	word := func(label string) string { return string(rapid.SliceOfN(rapid.Byte(), 0, 12).Draw(r, label)) }
	m := syslog.Message{
		Facility: syslog.Facility(rapid.IntRange(0, 23).Draw(r, "facility")), Severity: syslog.Severity(rapid.IntRange(0, 7).Draw(r, "severity")),
		Received: time.Unix(1_800_000_000, 0).UTC(), Time: time.Unix(0, rapid.Int64Range(0, 1<<60).Draw(r, "time")).UTC(),
		Host: word("host"), App: "a" + word("app"), PID: word("pid"), MsgID: word("msgid"), Text: word("text"),
	}
	if rapid.Bool().Draw(r, "sd") {
		m.SD = "[x@1"
		for range rapid.IntRange(0, 3).Draw(r, "params") {
			m.SD = string(syslog.AppendSDParam([]byte(m.SD), word("name"), word("value")))
		}
		m.SD += "]"
	}
	return m
}

func one() out.Batch {
	return out.Batch{Log: "x", Numbers: []uint64{7}, Messages: []syslog.Message{{Host: "h", Text: "hello", Received: time.Now()}}}
}

// TestWhoWeAre: what a server asks for before it takes anything.
func TestWhoWeAre(t *testing.T) {
	var seen *http.Request
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = r }))
	srv.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that are meant to fail
	srv.StartTLS()
	defer srv.Close()

	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	write := func(file, kind string, der []byte) {
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(cert, "CERTIFICATE", srv.Certificate().Raw)
	der, err := x509.MarshalPKCS8PrivateKey(srv.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	write(key, "PRIVATE KEY", der)
	pinned := out.TLS{Fingerprints: []pin.Fingerprint{pin.Of(srv.Certificate())}}
	f := func(cfg push.Config, want string) {
		t.Helper()
		cfg.Format, cfg.URL, seen = push.JSON, []string{srv.URL + "/in"}, nil
		err := pushed(t, cfg, one())
		switch {
		case err != nil && (want == "" || !strings.Contains(err.Error(), want)):
			t.Error(err)
		case err == nil && (seen == nil || want != "" && !strings.Contains(sawOf(seen), want)):
			t.Errorf("%v, want %s", seen, want)
		}
	}
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1") // heeded by nobody
	f(push.Config{TLS: pinned}, "Idempotency-Key: x-7-7")
	f(push.Config{TLS: out.TLS{CA: cert}}, "")
	f(push.Config{}, "unknown authority")
	f(push.Config{TLS: out.TLS{Fingerprints: []pin.Fingerprint{{}}}}, "fingerprint")
	f(push.Config{TLS: pinned, Basic: push.Basic{User: "me", Password: "p"}}, "Authorization: Basic bWU6cA==")
	f(push.Config{TLS: pinned, Bearer: "token"}, "Authorization: Bearer token")
	f(push.Config{TLS: pinned, Headers: map[string]out.Secret{"X-Scope-OrgID": "tenant"}}, "X-Scope-Orgid: tenant")
	pinned.Cert, pinned.Key = cert, key
	f(push.Config{TLS: pinned}, "certificates: 1")
	f(push.Config{TLS: pinned, Proxy: "http://127.0.0.1:1"}, "proxyconnect")
}

func sawOf(r *http.Request) string {
	var b strings.Builder
	_ = r.Header.Write(&b)
	if len(r.TLS.PeerCertificates) == 1 {
		b.WriteString("certificates: 1")
	}
	return b.String()
}

// BenchmarkDeliver is a message on its whole way to a server that answers at
// once, over loopback.
func BenchmarkDeliver(b *testing.B) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	defer srv.Close()
	const size = 500
	batch := out.Batch{Log: "x"}
	for i := range size {
		batch.Numbers = append(batch.Numbers, uint64(i))
		batch.Messages = append(batch.Messages, syslog.Message{
			Host: "web-" + strconv.Itoa(i%20), App: "nginx", PID: "77", Received: time.Now(), SD: `[json@1 route="/v1/users" ms="12"]`,
			Text: `10.0.0.7 - - "GET /v1/users/77 HTTP/1.1" 200 1234 "-" "curl/8.5.0" rt=0.012`,
		})
	}
	for _, format := range []push.Format{push.Loki, push.JSON} {
		b.Run(string(format), func(b *testing.B) {
			d, err := push.New(push.Config{Format: format, URL: []string{srv.URL}}, slog.New(slog.DiscardHandler))
			if err != nil {
				b.Fatal(err)
			}
			s, err := d.Open(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			messages := 0
			for b.Loop() {
				if err := s.Send(b.Context(), batch); err != nil {
					b.Fatal(err)
				}
				messages += size
			}
			if err := s.Close(b.Context()); err != nil {
				b.Fatal(err)
			}
			if n, _ := s.Settled(); n != uint64(messages) {
				b.Errorf("%d of %d settled", n, messages)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(messages), "ns/message")
		})
	}
}
