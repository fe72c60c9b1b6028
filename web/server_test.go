package web_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rondo/web"
)

const token = "0123456789abcdef"

func newServer(t *testing.T, cfg web.Config, deps web.Deps) *web.Server {
	t.Helper()
	s, err := web.New(cfg, deps, quiet())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// ask sends one request to a loopback name.
func ask(h http.Handler, method, target string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	r.Host = "localhost:8080"
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
			continue
		}
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func echoPath(names ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.URL.Path)
		for _, n := range names {
			fmt.Fprintf(w, " %s=%s", n, r.PathValue(n))
		}
	})
}

func TestHandleTakesServeMuxPatterns(t *testing.T) {
	s := newServer(t, web.Default(), web.Deps{})
	s.Handle("GET /api/v1/label/{name}/values", echoPath("name"))
	s.Handle("/agent/v1/", echoPath())
	s.Handle("POST /api/v1/write", echoPath())
	s.Handle("GET /files/{rest...}", echoPath("rest"))
	f := func(method, target string, status int, body string) {
		t.Helper()
		w := ask(s, method, target)
		if w.Code != status || body != "" && w.Body.String() != body {
			t.Errorf("%s %s: got %d %q, want %d %q", method, target, w.Code, w.Body, status, body)
		}
	}
	f("GET", "/api/v1/label/job/values", 200, "/api/v1/label/job/values name=job")
	f("HEAD", "/api/v1/label/job/values", 200, "")
	f("GET", "/agent/v1/spool/7", 200, "/agent/v1/spool/7")
	f("PUT", "/agent/v1/spool/7", 200, "/agent/v1/spool/7")
	f("POST", "/api/v1/write", 200, "/api/v1/write")
	f("GET", "/api/v1/write", 405, "")
	f("GET", "/files/a/b", 200, "/files/a/b rest=a/b")
	f("GET", "/api/nothing", 404, "Not Found\n")
}

func TestHostHeader(t *testing.T) {
	cfg := web.Default()
	cfg.Hosts = []string{"rondo.example.org"}
	s := newServer(t, cfg, web.Deps{})
	f := func(host string, status int) {
		t.Helper()
		if w := ask(s, "GET", "/", "Host", host); w.Code != status {
			t.Errorf("host %q: got %d, want %d", host, w.Code, status)
		}
	}
	f("localhost", 200)
	f("LOCALHOST:8080", 200)
	f("127.0.0.1:8080", 200)
	f("127.9.9.9", 200)
	f("[::1]:8080", 200)
	f("localhost.:8080", 200)
	f("rondo.example.org", 200)
	f("Rondo.Example.org:8080", 200)
	// A page elsewhere whose name was made to resolve to us.
	f("evil.example", 421)
	f("localhost.evil.example", 421)
	f("10.0.0.5", 421)
	f("", 421)
	w := ask(s, "GET", "/", "Host", "box.lan:80")
	if !strings.Contains(w.Body.String(), "hosts: [box.lan]") {
		t.Errorf("refusal does not say what to add: %q", w.Body)
	}
}

func TestCrossOrigin(t *testing.T) {
	cfg := web.Default()
	cfg.Token = token
	s := newServer(t, cfg, web.Deps{})
	s.Command("POST /api/silence", echoPath())
	f := func(status int, header ...string) {
		t.Helper()
		if w := ask(s, "POST", "/api/silence", append(header, "Authorization", "Bearer "+token)...); w.Code != status {
			t.Errorf("%q: got %d, want %d", header, w.Code, status)
		}
	}
	f(200) // no browser
	f(200, "Sec-Fetch-Site", "same-origin")
	f(403, "Sec-Fetch-Site", "cross-site")
	f(403, "Origin", "https://evil.example")
}

func TestCommandsNeedTheToken(t *testing.T) {
	f := func(tok string, status int, header ...string) {
		t.Helper()
		cfg := web.Default()
		cfg.Token = tok
		s := newServer(t, cfg, web.Deps{})
		s.Command("POST /api/stop", echoPath())
		if w := ask(s, "POST", "/api/stop", header...); w.Code != status {
			t.Errorf("token %q, %q: got %d, want %d", tok, header, w.Code, status)
		}
	}
	f(token, 401)
	f(token, 401, "Authorization", "Bearer wrong")
	f(token, 401, "Authorization", "Bearer ")
	f(token, 200, "Authorization", "Bearer "+token)
	f(token, 200, "Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("me:"+token)))
	f(token, 401, "Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(token+":me")))
}

func TestNoTokenSetOpensNothing(t *testing.T) {
	s := newServer(t, web.Default(), web.Deps{})
	s.Command("POST /api/stop", echoPath())
	for _, h := range []string{"", "Bearer ", "Basic Og=="} {
		w := ask(s, "POST", "/api/stop", "Authorization", h)
		if w.Code != 401 || !strings.Contains(w.Body.String(), "rondo.sock") {
			t.Errorf("Authorization %q: got %d %q", h, w.Code, w.Body)
		}
	}
}

func TestExposedNeedsTheTokenForEverything(t *testing.T) {
	cfg := web.Default()
	cfg.Listen, cfg.Token, cfg.TLS = "0.0.0.0:8080", token, web.TLS{Cert: "c", Key: "k"}
	s := newServer(t, cfg, web.Deps{})
	s.Open("GET /healthz", echoPath())
	s.Open("POST /agent/v1/", echoPath())
	s.Handle("GET /api/", echoPath())
	s.Shared("GET /api/roster", func(r *http.Request) bool { return r.Header.Get("Authorization") == "Bearer an agent's key" }, echoPath())
	for header, status := range map[string]int{"": 401, "Bearer an agent's key": 200, "Bearer another": 401, "Bearer " + token: 200} {
		if w := ask(s, "GET", "/api/roster", "Authorization", header); w.Code != status {
			t.Errorf("GET /api/roster with %q: %d, want %d", header, w.Code, status)
		}
	}
	for path, status := range map[string]int{
		"/agent/v1/data": 200, "/agent/v1/../../api/logs": 200, "/agent/v1": 401, "/agent/v1%2fdata": 401,
		"/api/logs": 401, "/api/../agent/v1/data": 401, "//agent/v1/data": 401, "/healthz/": 401, "/nowhere": 401,
	} {
		if w := ask(s, "POST", path); w.Code != status {
			t.Errorf("POST %s without token: %d, want %d", path, w.Code, status)
		} else if status == 200 && !strings.Contains(w.Body.String(), "/agent/v1/") {
			t.Errorf("POST %s went elsewhere: %s", path, w.Body)
		}
	}
	if w := ask(s, "GET", "/"); w.Code != 401 || w.Header().Get("WWW-Authenticate") == "" {
		t.Errorf("page without token: %d", w.Code)
	}
	if w := ask(s, "GET", "/", "Authorization", "Bearer "+token); w.Code != 200 {
		t.Errorf("page with token: %d", w.Code)
	}
	if w := ask(s, "GET", "/", "Authorization", "Bearer "+token, "Host", "10.0.0.5:8080"); w.Code != 200 {
		t.Errorf("by address: %d", w.Code)
	}
	if w := ask(s, "GET", "/healthz"); w.Code != 200 {
		t.Errorf("healthz: %d", w.Code)
	}
}

func TestValidate(t *testing.T) {
	f := func(change func(*web.Config), want string) {
		t.Helper()
		cfg := web.Default()
		change(&cfg)
		err := cfg.Validate()
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	f(func(*web.Config) {}, "")
	f(func(c *web.Config) { c.Listen = "[::1]:80" }, "")
	f(func(c *web.Config) { c.Listen = "LocalHost:80" }, "")
	f(func(c *web.Config) { c.Listen = "[::ffff:127.0.0.1]:80" }, "")
	f(func(c *web.Config) { c.Listen = "[::ffff:10.0.0.1]:80" }, "tls: {cert:")
	f(func(c *web.Config) { c.Listen = "8080" }, "host:port")
	f(func(c *web.Config) { c.Listen = ":8080" }, "tls: {cert:")
	f(func(c *web.Config) { c.Listen = "0.0.0.0:8080"; c.TLS = web.TLS{Cert: "c", Key: "k"} }, "token: ${RONDO_TOKEN}")
	f(func(c *web.Config) { c.Listen = "0.0.0.0:8080"; c.TLS = web.TLS{Cert: "c", Key: "k"}; c.Token = token }, "")
	f(func(c *web.Config) { c.Listen = "10.0.0.1:1"; c.TLS = web.TLS{Cert: "c", Key: "k", ClientCA: "ca"} }, "")
	f(func(c *web.Config) { c.Token = "short" }, "too few")
	f(func(c *web.Config) { c.TLS.Cert = "c" }, "belong together")
	f(func(c *web.Config) { c.TLS.ClientCA = "c" }, "needs cert")
	f(func(c *web.Config) { c.Limits.Read = 0 }, "timeouts")
	f(func(c *web.Config) { c.Limits.MaxStreams = 0 }, "max_streams")
}

func TestBodyLimit(t *testing.T) {
	cfg := web.Default()
	cfg.Limits.MaxBody = 10
	s := newServer(t, cfg, web.Deps{})
	s.Handle("POST /write", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		}
	}))
	r := httptest.NewRequest("POST", "http://localhost/write", strings.NewReader(strings.Repeat("x", 11)))
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("got %d", w.Code)
	}
}

// running serves s on its own sockets; the returned stop waits for Run.
func running(t *testing.T, cfg web.Config, s *web.Server, dir string) (addr string, stop func() error) {
	t.Helper()
	cfg.Listen = "127.0.0.1:0"
	ls, err := web.Listen(cfg, dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, ls...) }()
	return ls[0].Addr().String(), func() error {
		cancel()
		return <-done
	}
}

func TestSocketNeedsNoToken(t *testing.T) {
	dir := t.TempDir()
	s := newServer(t, web.Default(), web.Deps{})
	s.Command("POST /api/stop", echoPath())
	_, stop := running(t, web.Default(), s, dir)
	path := filepath.Join(dir, web.SocketName)
	st, err := os.Stat(path)
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Fatalf("socket: %v %v", st, err)
	}
	client := http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}}
	res, err := client.Post("http://rondo/api/stop", "", nil)
	if err != nil || res.StatusCode != 200 {
		t.Fatalf("got %v %v", res, err)
	}
	res.Body.Close()
	if _, err := web.Listen(web.Config{Listen: "127.0.0.1:0"}, dir); err == nil || !strings.Contains(err.Error(), "another rondo") {
		t.Errorf("a second server on the socket: %v", err)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
}

func TestListenRefuses(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := web.Listen(web.Config{Listen: l.Addr().String()}, ""); err == nil || !strings.Contains(err.Error(), "another program has this port") {
		t.Errorf("port in use: %v", err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, web.SocketName), []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := web.Listen(web.Config{Listen: "127.0.0.1:0"}, dir); err == nil || !strings.Contains(err.Error(), "in the way") {
		t.Errorf("file in the way: %v", err)
	}
	if b, _ := os.ReadFile(filepath.Join(dir, web.SocketName)); string(b) != "precious" {
		t.Error("the file was removed")
	}
}

func TestListenTakesOverADeadSocket(t *testing.T) {
	dir := t.TempDir()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, web.SocketName), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false) // as a crash leaves it
	l.Close()
	ls, err := web.Listen(web.Config{Listen: "127.0.0.1:0"}, dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range ls {
		l.Close()
	}
}

func TestStreamsAreLimitedAndEndAtStop(t *testing.T) {
	cfg := web.Default()
	cfg.Limits.MaxStreams = 1
	s := newServer(t, cfg, web.Deps{})
	s.Stream("GET /stream", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "open")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	addr, stop := running(t, cfg, s, "")
	res, err := http.Get("http://" + addr + "/stream")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if line, err := bufio.NewReader(res.Body).ReadString('\n'); line != "open\n" {
		t.Fatalf("got %q %v", line, err)
	}
	second, err := http.Get("http://" + addr + "/stream")
	if err != nil || second.StatusCode != http.StatusServiceUnavailable {
		t.Fatalf("second stream: %v %v", second, err)
	}
	second.Body.Close()
	if err := stop(); err != nil {
		t.Errorf("stop with an open stream: %v", err)
	}
}

func TestStopWaitsForAnswers(t *testing.T) {
	s := newServer(t, web.Default(), web.Deps{})
	asked, release := make(chan bool), make(chan bool)
	s.Handle("GET /slow", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(asked)
		<-release
		fmt.Fprint(w, "whole")
	}))
	addr, stop := running(t, web.Default(), s, "")
	got := make(chan string)
	go func() {
		res, err := http.Get("http://" + addr + "/slow")
		if err != nil {
			got <- err.Error()
			return
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		got <- string(b)
	}()
	<-asked
	stopped := make(chan error)
	go func() { stopped <- stop() }()
	close(release)
	if body := <-got; body != "whole" {
		t.Errorf("got %q", body)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestSlowHeadersAreCut(t *testing.T) {
	cfg := web.Default()
	cfg.Limits.ReadHeader = 20 * time.Millisecond
	s := newServer(t, cfg, web.Deps{})
	addr, stop := running(t, cfg, s, "")
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: loc")
	if _, err := io.ReadAll(c); err != nil { // ends when the server closes
		t.Error(err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestTLS(t *testing.T) {
	pair := httptest.NewUnstartedServer(nil)
	pair.StartTLS()
	defer pair.Close()
	dir := t.TempDir()
	cfg := web.Default()
	cfg.TLS = writePair(t, dir, pair.TLS.Certificates[0])
	s := newServer(t, cfg, web.Deps{})
	addr, stop := running(t, cfg, s, "")
	client := http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	res, err := client.Get("https://" + addr + "/")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 200 || res.ProtoMajor != 2 {
		t.Errorf("got %s %s", res.Status, res.Proto)
	}
	client.CloseIdleConnections()
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestTail(t *testing.T) {
	s := newServer(t, web.Default(), rich(3))
	addr, stop := running(t, web.Default(), s, "")
	res, err := http.Get("http://" + addr + "/ui/tail?q=" + url.QueryEscape("severity<=info"))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if ct := res.Header.Get("Content-Type"); ct != "text/event-stream" {
		t.Errorf("content type %q", ct)
	}
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "data: ") {
			break
		}
	}
	if !strings.Contains(lines.Text(), `\u003cli class=`) {
		t.Errorf("got %q", lines.Text())
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if w := ask(s, "GET", "/ui/tail?q=%28"); w.Code != 400 {
		t.Errorf("bad filter: %d", w.Code)
	}
}

// writePair puts a certificate into files.
func writePair(t *testing.T, dir string, c tls.Certificate) web.TLS {
	t.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	out := web.TLS{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	for file, block := range map[string]*pem.Block{
		out.Cert: {Type: "CERTIFICATE", Bytes: c.Certificate[0]},
		out.Key:  {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return out
}
