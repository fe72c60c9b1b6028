package mail

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/mail"
	"regexp"
	"strings"
	"testing"
	"time"

	"rondo/alerts"
	"rondo/alerts/notify"
)

func outcome(err error) string {
	switch {
	case err == nil:
		return ""
	case alerts.IsPermanent(err):
		return "final: " + err.Error()
	}
	return "again: " + err.Error()
}

func matches(want, got string) bool {
	return regexp.MustCompile("(?s)^"+want+".*$").MatchString(got) && (want != "" || got == "")
}

type drawn struct {
	asked Graph
	err   error
}

func (d *drawn) Graph(_ context.Context, g Graph) ([]byte, error) {
	d.asked = g
	return bytes.Repeat([]byte("PNG"), 100), d.err
}

// parts are the leaves of a message by their type.
func parts(t *testing.T, kind string, body io.Reader, into map[string]string) {
	t.Helper()
	media, params, err := mime.ParseMediaType(kind)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(media, "multipart/") {
		b, err := io.ReadAll(body)
		if err != nil {
			t.Fatal(err)
		}
		into[media] = string(b)
		return
	}
	into[media] = params["boundary"]
	for r := multipart.NewReader(body, params["boundary"]); ; {
		p, err := r.NextPart()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		var content io.Reader = p // NextPart undoes quoted-printable
		if p.Header.Get("Content-Transfer-Encoding") == "base64" {
			content = base64.NewDecoder(base64.StdEncoding, p)
		}
		parts(t, p.Header.Get("Content-Type"), content, into)
	}
}

func parsed(t *testing.T, raw []byte) (*mail.Message, map[string]string) {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatalf("%v in\n%s", err, raw)
	}
	into := make(map[string]string)
	parts(t, m.Header.Get("Content-Type"), m.Body, into)
	return m, into
}

func subject(t *testing.T, m *mail.Message) string {
	t.Helper()
	s, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestMessage(t *testing.T) {
	var g drawn
	c := config(server{address: "127.0.0.1:25"})
	c.Headers = map[string]string{"X-Team": "{{ .CommonLabels.host }}", "X-None": `{{ "" }}`}
	s := sender(t, c, &g)
	n := notice(nil)
	raw, err := s.message(n, s.graph(t.Context(), n))
	if err != nil {
		t.Fatal(err)
	}
	m, p := parsed(t, raw)
	for name, want := range map[string]string{
		"Subject": "CRITICAL: load web-1: run_queue is 137", "From": "=?utf-8?q?R=C3=B6ndo?= <rondo@example.com>", "To": `"Ops" <ops@example.com>`,
		"Date": "Fri, 02 Jan 2026 03:05:05 +0000", "X-Team": "web-1", "X-None": "", "Auto-Submitted": "auto-generated",
	} {
		if got := m.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if !strings.Contains(p["text/plain"], "value 137 of run_queue\n") && !strings.Contains(p["text/plain"], "value 137 of run_queue\r\n") {
		t.Errorf("text: %q", p["text/plain"])
	}
	cid := regexp.MustCompile(`src="cid:([0-9a-f]{32}@example\.com)"></p></body>`).FindStringSubmatch(p["text/html"])
	if cid == nil || !strings.Contains(string(raw), "Content-Id: <"+cid[1]+">") || p["image/png"] != strings.Repeat("PNG", 100) {
		t.Errorf("picture: %q in %s", p["image/png"], p["text/html"])
	}
	if g.asked.Expr != "run_queue" || !g.asked.To.Equal(n.At) || g.asked.To.Sub(g.asked.From) != 2*time.Hour {
		t.Errorf("asked for %+v", g.asked)
	}
	for line := range strings.SplitSeq(string(raw), "\r\n") {
		if len(line) > 998 || strings.ContainsAny(line, "\r\n") {
			t.Errorf("line of %d bytes: %q", len(line), line)
		}
	}
}

// TestKey: the same notice has the same Message-ID in every try, another one
// has another; both belong to the same thread.
func TestKey(t *testing.T) {
	s := sender(t, config(server{address: "127.0.0.1:25"}), nil)
	id := func(n notify.Notice) (string, string) {
		raw, err := s.message(n, nil)
		if err != nil {
			t.Fatal(err)
		}
		m, _ := parsed(t, raw)
		return m.Header.Get("Message-Id"), m.Header.Get("References")
	}
	id1, ref1 := id(notice(nil))
	id2, ref2 := id(notice(nil))
	id3, ref3 := id(notice(func(tr *alerts.Transition) { tr.ID, tr.From, tr.To = "load-2", alerts.Critical, alerts.OK }))
	if id1 != id2 || id1 == id3 || ref1 != ref2 || ref1 != ref3 || !regexp.MustCompile(`^<[0-9a-f]{32}@example\.com>$`).MatchString(id1) {
		t.Error(id1, id2, id3, ref1, ref2, ref3)
	}
}

// TestNoGraph: the mail goes out without a picture that cannot be drawn.
func TestNoGraph(t *testing.T) {
	s := sender(t, config(server{address: "127.0.0.1:25"}), &drawn{err: errors.New("no")})
	n := notice(nil)
	if png := s.graph(t.Context(), n); png != nil {
		t.Errorf("%d bytes", len(png))
	}
	c := config(server{address: "127.0.0.1:25"})
	c.NoGraph = true
	if s := sender(t, c, &drawn{}); s.graph(t.Context(), n) != nil {
		t.Error("drawn all the same")
	}
}

// FuzzHeaders: whatever labels and texts hold, the headers are ours.
func FuzzHeaders(f *testing.F) {
	for _, s := range []string{"a", "a\r\nBcc: x@example.com", "=?utf-8?q?a?=", "\x00\x7f\u0085\u2028", "é\r\n\r\nbody", strings.Repeat("ü ", 300), ". \r\n.\r\nQUIT"} {
		f.Add(s, s)
	}
	c := config(server{address: "127.0.0.1:25"})
	c.Headers = map[string]string{"X-Host": "{{ .CommonLabels.host }}"}
	s := sender(f, c, nil)
	f.Fuzz(func(t *testing.T, label, text string) {
		raw, err := s.message(notice(func(tr *alerts.Transition) {
			tr.Labels, tr.Text = alerts.NewLabels(map[string]string{"host": label}), text
		}), nil)
		if err != nil {
			t.Fatal(err)
		}
		head, _, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
		for line := range bytes.SplitSeq(head, []byte("\r\n")) {
			if i := bytes.IndexFunc(line, func(r rune) bool { return r < ' ' || r > '~' }); i >= 0 {
				t.Errorf("byte %q in %q", line[i], line)
			}
		}
		m, p := parsed(t, raw)
		for name := range m.Header {
			if !strings.Contains(reserved+"X-Host ", " "+name+" ") {
				t.Errorf("header %s in\n%s", name, head)
			}
		}
		if len(p) != 3 {
			t.Errorf("parts %q", p)
		}
		subject(t, m)
	})
}

func TestValidate(t *testing.T) {
	good := config(server{address: "smtp.example.com:587"})
	for want, change := range map[string]func(*Config){
		"^$":                    func(*Config) {},
		"server: .*host:port":   func(c *Config) { c.Server = "smtp.example.com" },
		"from: ":                func(c *Config) { c.From = "nobody" },
		"to: want 1 to 100":     func(c *Config) { c.To = nil },
		`to: "x\\r\\nBcc: y@z"`: func(c *Config) { c.To = []string{"x\r\nBcc: y@z"} },
		`tls: "ssl": want`:      func(c *Config) { c.TLS = "ssl" },
		"go together":           func(c *Config) { c.User = "u" },
		"would be seen":         func(c *Config) { c.User, c.Password = "u", "p" },
		`headers: "A: b"`:       func(c *Config) { c.Headers = map[string]string{"A: b": "x"} },
		"headers: BCC is made":  func(c *Config) { c.Headers = map[string]string{"BCC": "x"} },
		"subject.*Nope":         func(c *Config) { c.Subject = "{{ .Nope }}" },
		"timeout 1h0m0s: want":  func(c *Config) { c.Timeout = time.Hour },
	} {
		c := good
		change(&c)
		got := ""
		if err := c.Validate(); err != nil {
			got = err.Error()
		}
		if !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("got %q, want %s", got, want)
		}
	}
}

// TestSilentServer: a server that says nothing does not hold us up.
func TestSilentServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := config(server{address: l.Addr().String()})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		if conn, err := l.Accept(); err == nil {
			defer conn.Close()
			cancel()
			_, _ = conn.Read(make([]byte, 1))
		}
	}()
	if got := outcome(sender(t, c, nil).Send(ctx, notice(nil))); !strings.HasPrefix(got, "again: ") {
		t.Error(got)
	}
}
