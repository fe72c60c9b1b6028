package probe

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"rondo/alerts"
	"rondo/alerts/check/plugin"
	"rondo/alerts/notify"
	"rondo/syslogd/peertest"
)

// A configuration of any probe.
type probe interface {
	Validate() error
	Build() (Prober, error)
}

var local = plugin.Target{Host: "localhost", Address: "127.0.0.1"}

func run(t *testing.T, c probe, target plugin.Target) plugin.Result {
	t.Helper()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	p, err := c.Build()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	return p.Probe(ctx, target)
}

// want compares a result's status and looks for words in its text.
func want(t *testing.T, r plugin.Result, status alerts.Status, words string) {
	t.Helper()
	if r.Status != status || !strings.Contains(r.Text, words) {
		t.Errorf("%v %q, want %v %q", r.Status, r.Text, status, words)
	}
}

// theirs is what one of Debian's plugins says.
func theirs(t *testing.T, name string, args ...string) plugin.Result {
	t.Helper()
	p := peertest.Find(t, name)
	return plugin.NewRunner(1).Run(t.Context(), plugin.Command{
		Argv: append([]string{p.Path, "-t", "30"}, args...), Timeout: time.Minute,
		Env: []string{"LD_LIBRARY_PATH=" + p.Folders("usr/lib/x86_64-linux-gnu", "usr/lib")},
	})
}

// hang waits for ever, as far as a test is concerned.
func hang(t *testing.T, p Prober, words string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	want(t, p.Probe(ctx, local), alerts.Critical, words)
}

// listener serves each connection by f.
func listener(t *testing.T, f func(net.Conn)) int {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { _ = ln.Close(); <-done })
	go func() {
		defer close(done)
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			f(conn)
			_ = conn.Close()
		}
	}()
	return ln.Addr().(*net.TCPAddr).Port
}

func TestTCP(t *testing.T) {
	port := listener(t, func(c net.Conn) {
		fmt.Fprint(c, "220 hello\r\n")
		b := make([]byte, 100)
		n, err := c.Read(b)
		if err == nil {
			fmt.Fprintf(c, "you said %s", b[:n])
		}
	})
	ok := run(t, TCP{Port: port, Send: "QUIT\r\n", Expect: "said QUIT"}, local)
	want(t, ok, alerts.OK, fmt.Sprintf("TCP port %d on 127.0.0.1: answers in ", port))
	if len(ok.Perf) != 1 || ok.Perf[0].Label != "time" {
		t.Error(ok.Perf)
	}
	want(t, run(t, TCP{Port: port}, local), alerts.OK, "answers")
	want(t, run(t, TCP{Port: port, Send: "x", Expect: "Z"}, local), alerts.Critical, `want "Z": it said "220 hello`)
	want(t, run(t, TCP{Port: port, Latency: Latency{Warning: 1}}, local), alerts.Warning, "answers")
	want(t, run(t, TCP{Port: port, Latency: Latency{Warning: 1, Critical: 1}}, local), alerts.Critical, "answers")
	much := listener(t, func(c net.Conn) { _, _ = c.Write(make([]byte, 1<<20)) })
	want(t, run(t, TCP{Port: much, Expect: "x"}, local), alerts.Critical, "too much else")
	want(t, run(t, TCP{Port: 1}, local), alerts.Critical, "connection refused")
	quiet := make(chan struct{})
	silent := listener(t, func(net.Conn) { <-quiet })
	hang(t, TCP{Port: silent, Expect: "x"}, "no answer in time")
	close(quiet)
}

// handler is a web server with all that a probe may meet.
func handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/ok", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "all is fine, %s %s %s", r.Method, r.Host, r.Header.Get("X-Token"))
	})
	mux.HandleFunc("/code/{n}", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.PathValue("n"))
		w.WriteHeader(n)
	})
	mux.HandleFunc("/here", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/ok", http.StatusFound) })
	mux.HandleFunc("/loop", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/loop", http.StatusFound) })
	mux.HandleFunc("/away", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://"+r.FormValue("to")+"/ok", http.StatusFound)
	})
	mux.HandleFunc("/long", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 2<<20)) })
	return mux
}

func TestHTTP(t *testing.T) {
	srv, other := httptest.NewServer(handler()), httptest.NewServer(handler())
	defer srv.Close()
	defer other.Close()
	base := strings.Replace(srv.URL, "127.0.0.1", "{address}", 1)
	f := func(p HTTP, status alerts.Status, words string) {
		t.Helper()
		p.URL = base + p.URL
		want(t, run(t, p, local), status, words)
	}
	f(HTTP{URL: "/ok"}, alerts.OK, "/ok: 200 OK, 3")
	f(HTTP{URL: "/ok", Contains: "all is fine", Matches: "^all.*GET", NotContains: "bad", NotMatches: "b+ad"}, alerts.OK, "200")
	f(HTTP{URL: "/ok", Contains: "nothing"}, alerts.Critical, `"nothing" is not in the body`)
	f(HTTP{URL: "/ok", Matches: "^no"}, alerts.Critical, "does not match")
	f(HTTP{URL: "/ok", NotContains: "fine"}, alerts.Critical, `"fine" is in the body`)
	f(HTTP{URL: "/ok", NotMatches: "f.ne"}, alerts.Critical, "the body matches")
	f(HTTP{URL: "/ok", Method: "post", Host: "shop.example", Headers: map[string]notify.Secret{"X-Token": "t0p"}, Contains: "POST shop.example t0p"}, alerts.OK, "")
	f(HTTP{URL: "/ok", Expect: map[string]string{"Content-Type": "text/plain"}}, alerts.OK, "")
	f(HTTP{URL: "/ok", Expect: map[string]string{"Content-Type": "json"}}, alerts.Critical, `header Content-Type is "text/plain`)
	f(HTTP{URL: "/ok", Latency: Latency{Warning: 1}}, alerts.Warning, "200")
	f(HTTP{URL: "/code/404"}, alerts.Warning, "it was refused")
	f(HTTP{URL: "/code/503"}, alerts.Critical, "the server failed")
	f(HTTP{URL: "/code/404", Status: []int{404}}, alerts.OK, "404")
	f(HTTP{URL: "/ok", Status: []int{204}}, alerts.Critical, "want status [204]")
	f(HTTP{URL: "/long"}, alerts.Critical, "longer than 1048576 bytes")
	f(HTTP{URL: "/long", MaxBody: 4 << 20}, alerts.OK, "2097152 bytes")
	f(HTTP{URL: "/here"}, alerts.OK, "302 Found")
	f(HTTP{URL: "/here", Redirects: "same", Contains: "all"}, alerts.OK, "200 OK")
	f(HTTP{URL: "/loop", Redirects: "same"}, alerts.Critical, "more than 5 redirects")
	away := "/away?to=" + url.QueryEscape(strings.TrimPrefix(other.URL, "http://"))
	f(HTTP{URL: away, Redirects: "same"}, alerts.OK, "302 Found")
	f(HTTP{URL: away, Redirects: "any", Headers: map[string]notify.Secret{"X-Token": "t0p"}, NotContains: "t0p"}, alerts.OK, "200 OK")
	want(t, run(t, HTTP{URL: "http://127.0.0.1:1/"}, local), alerts.Critical, "connection refused")
	want(t, run(t, HTTP{URL: "http://{address}:1/"}, plugin.Target{Host: "six", Address: "::1"}), alerts.Critical, "HTTP http://[::1]:1/: ")
	want(t, run(t, HTTP{URL: "http://u:s3cret@127.0.0.1:1/"}, local), alerts.Critical, "HTTP http://u:xxxxx@127.0.0.1:1/: ")
}

// On the same pages check_http and we find the same.
func TestAsCheckHTTP(t *testing.T) {
	srv := httptest.NewServer(handler())
	defer srv.Close()
	u, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	f := func(path string, p HTTP, flags ...string) {
		t.Helper()
		p.URL = srv.URL + path
		ours, other := run(t, p, local), theirs(t, "check_http", append([]string{"-H", u.Hostname(), "-p", u.Port(), "-u", path}, flags...)...)
		if ours.Status != other.Status {
			t.Errorf("%s: we find %v %q, check_http %v %q", path, ours.Status, ours.Text, other.Status, other.Text)
		}
	}
	for _, path := range []string{"/ok", "/code/204", "/code/404", "/code/500", "/here", "/none"} {
		f(path, HTTP{})
	}
	f("/ok", HTTP{Contains: "fine"}, "-s", "fine")
	f("/ok", HTTP{Contains: "nothing"}, "-s", "nothing")
	f("/ok", HTTP{Matches: "f.ne"}, "-r", "f.ne")
	f("/ok", HTTP{NotMatches: "f.ne"}, "-r", "f.ne", "--invert-regex")
	f("/code/404", HTTP{Status: []int{404}}, "-e", "404")
	f("/ok", HTTP{Latency: Latency{Critical: 1}}, "-c", "0.000000001")
}

func TestAsCheckTCP(t *testing.T) {
	port := listener(t, func(c net.Conn) { fmt.Fprint(c, "220 hello\r\n") })
	f := func(p TCP, flags ...string) {
		t.Helper()
		ours, other := run(t, p, local), theirs(t, "check_tcp", append([]string{"-H", "127.0.0.1", "-p", strconv.Itoa(p.Port)}, flags...)...)
		if ours.Status != other.Status {
			t.Errorf("we find %v %q, check_tcp %v %q", ours.Status, ours.Text, other.Status, other.Text)
		}
	}
	f(TCP{Port: port})
	f(TCP{Port: 1})
	f(TCP{Port: port, Expect: "220"}, "-e", "220")
	f(TCP{Port: port, Expect: "999"}, "-e", "999", "-M", "crit")
	f(TCP{Port: port, Latency: Latency{Critical: 1}}, "-c", "0.000000001")
}

func TestTLS(t *testing.T) {
	a := peertest.NewAuthority(t)
	serve := func(id peertest.Identity) int {
		srv := httptest.NewUnstartedServer(handler())
		srv.Config.ErrorLog = log.New(io.Discard, "", 0) // it complains of what we are to complain of
		srv.TLS = &tls.Config{Certificates: []tls.Certificate{id.Pair(t)}}
		srv.StartTLS()
		t.Cleanup(srv.Close)
		return srv.Listener.Addr().(*net.TCPAddr).Port
	}
	const day = 24 * time.Hour
	trust := Trust{CA: a.File}
	long, soon, sooner, over := serve(a.Issue(t, "long", 100*day)), serve(a.Issue(t, "soon", 10*day)), serve(a.Issue(t, "sooner", 5*day)), serve(a.Issue(t, "over", -time.Hour))
	f := func(p TLS, status alerts.Status, words string) {
		t.Helper()
		r := run(t, p, local)
		want(t, r, status, words)
		if len(r.Perf) != 2 || r.Perf[0].Label != "days" {
			t.Error(r.Perf)
		}
	}
	f(TLS{Port: long, ServerName: "long", Trust: trust}, alerts.OK, `certificate of "long" ends `)
	f(TLS{Port: soon, ServerName: "soon", Trust: trust}, alerts.Warning, "in 10.0 days")
	f(TLS{Port: soon, ServerName: "soon", Warning: 9, Critical: 1, Trust: trust}, alerts.OK, "in 10.0 days")
	f(TLS{Port: sooner, ServerName: "sooner", Trust: trust}, alerts.Critical, "in 5.0 days")
	f(TLS{Port: over, ServerName: "over", Trust: trust}, alerts.Critical, "has ended")
	f(TLS{Port: long, Trust: trust}, alerts.Critical, "not localhost")
	f(TLS{Port: long, ServerName: "long"}, alerts.Critical, "unknown authority")
	f(TLS{Port: long, ServerName: "long", Trust: Trust{Insecure: true}}, alerts.OK, "ends")
	plain := listener(t, func(c net.Conn) { fmt.Fprint(c, "220 hello, this is not TLS at all\r\n") })
	want(t, run(t, TLS{Port: plain}, local), alerts.Critical, "first record does not look like a TLS handshake")
	https := fmt.Sprintf("https://{address}:%d/ok", long)
	want(t, run(t, HTTP{URL: https, Host: "long", Trust: trust}, local), alerts.OK, "200")
	want(t, run(t, HTTP{URL: https}, local), alerts.Critical, "unknown authority")

	ours := run(t, TLS{Port: over, Trust: Trust{Insecure: true}}, local)
	other := theirs(t, "check_http", "-S", "-C", "21,7", "-H", "127.0.0.1", "-p", strconv.Itoa(over))
	if ours.Status != other.Status {
		t.Errorf("we find %v %q, check_http %v %q", ours.Status, ours.Text, other.Status, other.Text)
	}
	for port, status := range map[int]alerts.Status{long: alerts.OK, soon: alerts.Warning, sooner: alerts.Critical} {
		if other := theirs(t, "check_http", "-S", "-C", "21,7", "-H", "127.0.0.1", "-p", strconv.Itoa(port)); other.Status != status {
			t.Errorf("check_http finds %v %q, want %v", other.Status, other.Text, status)
		}
	}
}

func TestPing(t *testing.T) {
	p := Ping{Count: 3, Every: 10 * time.Millisecond, Wait: 10 * time.Second}
	r := run(t, p, local)
	if strings.Contains(r.Text, "not allowed") { // it depends on who runs the test, and says what to do
		want(t, r, alerts.Unknown, "net.ipv4.ping_group_range")
		return
	}
	// Our own machine answers; how fast, on a busy one, is no matter of ours.
	if !strings.Contains(r.Text, "PING 127.0.0.1: 3 of 3 answers, 0 % lost") || len(r.Perf) != 3 {
		t.Errorf("%v", r)
	}
	other := theirs(t, "check_icmp", "-n", "3", "-w", "9000,40%", "-c", "9999,80%", "127.0.0.1")
	if r.Status == alerts.OK && other.Status != alerts.OK && !strings.Contains(other.Text, "not permitted") { // it knows raw sockets only
		t.Errorf("check_icmp: %v", other)
	}
	want(t, run(t, p, plugin.Target{Host: "nobody.invalid"}), alerts.Critical, "nobody.invalid")
}

// The thresholds are check_icmp's: at or above.
func TestPingJudges(t *testing.T) {
	p := Ping{Count: 10}.withDefaults()
	f := func(rtt time.Duration, lost int, status alerts.Status) {
		t.Helper()
		trips := make([]time.Duration, p.Count)
		for i := range trips {
			if trips[i] = rtt; i < lost {
				trips[i] = -1
			}
		}
		want(t, p.judge("x", trips), status, "")
	}
	f(199*time.Millisecond, 0, alerts.OK)
	f(200*time.Millisecond, 0, alerts.Warning)
	f(500*time.Millisecond, 0, alerts.Critical)
	f(time.Millisecond, 3, alerts.OK)
	f(time.Millisecond, 4, alerts.Warning)
	f(time.Millisecond, 8, alerts.Critical)
	f(time.Millisecond, 10, alerts.Critical)
}

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		p    probe
		want string
	}{
		{TCP{}, "port 0"},
		{TCP{Port: 1, Latency: Latency{Warning: 2, Critical: 1}}, "must not be below warning"},
		{HTTP{URL: "ftp://x/"}, "want http:// or https://"},
		{HTTP{URL: "http://x/", Matches: "("}, "missing closing"},
		{HTTP{URL: "http://x/", Redirects: "all"}, "want none, same or any"},
		{HTTP{URL: "http://x/", Status: []int{20}}, "status 20"},
		{HTTP{URL: "http://x/", MaxBody: 1 << 30}, "max_body"},
		{TLS{Warning: 1}, "critical_days (7)"},
		{DNS{Type: "WHAT", Query: "x"}, `type "WHAT"`},
		{DNS{}, "query is missing"},
		{Ping{Count: 1000}, "count 1000"},
		{Ping{Every: 1}, "want 10ms or more"},
		{Ping{Warning: Echo{Loss: 90}}, "critical must not lie below"},
	} {
		if err := c.p.Validate(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.p, err, c.want)
		}
	}
	none := t.TempDir() + "/none.pem"
	for _, p := range []probe{HTTP{URL: "https://x/", Trust: Trust{CA: none}}, TLS{Trust: Trust{CA: none}}} {
		if _, err := p.Build(); err == nil || !os.IsNotExist(unwrap(err)) {
			t.Errorf("%v", err)
		}
	}
}

func unwrap(err error) error {
	if u, ok := err.(interface{ Unwrap() error }); ok {
		return u.Unwrap()
	}
	return err
}
