package post

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"rondo/alerts"
	"rondo/alerts/notify"
	"rondo/syslogd/peertest"
)

func client(t *testing.T, c Config) *Client {
	t.Helper()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	p, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestAnswers: what is taken, what is tried again and when, what is final.
func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		code       int
		retryAfter string
		want       string
	}{
		{200, "", "ok"}, {202, "", "ok"}, {204, "", "ok"},
		{301, "", "final"}, {400, "", "final"}, {401, "", "final"}, {404, "", "final"}, {410, "60", "final"}, {413, "", "final"},
		{408, "", "again"}, {425, "", "again"}, {429, "", "again"}, {500, "", "again"}, {503, "", "again"},
		{429, "30", "30s"}, {503, "7", "7s"}, {503, "999999", "1h0m0s"}, {503, "soon", "again"}, {503, "0", "again"},
		{503, time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat), "again"},
		{503, time.Now().Add(48 * time.Hour).UTC().Format(http.TimeFormat), "1h0m0s"},
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if c.retryAfter != "" {
				w.Header().Set("Retry-After", c.retryAfter)
			}
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(c.code)
			if c.code != 204 {
				io.WriteString(w, strings.Repeat("long answer ", 100_000))
			}
		}))
		answer, err := client(t, Config{}).Post(t.Context(), Request{URL: notify.Secret(srv.URL)})
		got := "ok"
		if later, ok := errors.AsType[*notify.LaterError](err); ok {
			got = later.After.String()
		} else if err != nil {
			got = "again"
			if alerts.IsPermanent(err) {
				got = "final"
			}
		}
		if got != c.want || len(answer) > MaxAnswer {
			t.Errorf("%d %q: %s (%v), want %s; %d bytes read", c.code, c.retryAfter, got, err, c.want, len(answer))
		}
		srv.Close()
	}
}

func TestRequest(t *testing.T) {
	var got http.Header
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header }))
	defer srv.Close()
	f := func(c Config, r Request, want map[string]string) {
		t.Helper()
		r.URL = notify.Secret(srv.URL)
		if _, err := client(t, c).Post(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		for k, v := range want {
			if got.Get(k) != v {
				t.Errorf("%s: %q, want %q", k, got.Get(k), v)
			}
		}
	}
	f(Config{Bearer: "t0ken"}, Request{}, map[string]string{"Authorization": "Bearer t0ken", "Content-Type": "application/json", "User-Agent": "rondo"})
	f(Config{Basic: Basic{"u", "p"}}, Request{}, map[string]string{"Authorization": "Basic dTpw"})
	f(Config{Headers: map[string]notify.Secret{"A": "1", "B": "2"}}, Request{Header: map[string]string{"B": "3"}}, map[string]string{"A": "1", "B": "3"})
}

// TestTLS: only who is trusted gets the body, and can ask who we are.
func TestTLS(t *testing.T) {
	ours, other := peertest.NewAuthority(t), peertest.NewAuthority(t)
	us := ours.Issue(t, "us", time.Hour)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.PeerCertificates) == 0 || r.TLS.PeerCertificates[0].Subject.CommonName != "us" {
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	srv.TLS = ours.Client(t)
	srv.TLS.Certificates = append(srv.TLS.Certificates, ours.Issue(t, "hooks.example.com", time.Hour).Pair(t))
	srv.TLS.ClientAuth = 1 // asks, and takes any
	srv.StartTLS()
	defer srv.Close()
	f := func(c TLS, want string) {
		t.Helper()
		_, err := client(t, Config{TLS: c}).Post(t.Context(), Request{URL: notify.Secret(srv.URL)})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	f(TLS{CA: ours.File, Cert: us.Cert, Key: us.Key}, "")
	f(TLS{CA: ours.File, Cert: us.Cert, Key: us.Key, Name: "hooks.example.com", MinVersion: "1.3"}, "")
	f(TLS{CA: ours.File}, "403")
	f(TLS{CA: ours.File, Name: "elsewhere.example.com"}, "not elsewhere.example.com")
	f(TLS{CA: other.File}, "unknown authority")
	f(TLS{}, "unknown authority")
}

// TestNoSecretInErrors: addresses may hold secrets.
func TestNoSecretInErrors(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	address := notify.Secret(strings.Replace(srv.URL, "://", "://u:s3cret@", 1) + "/s3cret?k=s3cret")
	c := client(t, Config{})
	_, refused := c.Post(t.Context(), Request{URL: address})
	srv.Close()
	_, gone := c.Post(t.Context(), Request{URL: address})
	for _, err := range []error{refused, gone, CheckURL("url", "gopher://s3cret"), CheckURL("url", "http://s3cret:%zz")} {
		if err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("got %v", err)
		}
	}
}
