package canary

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"rondo/syslogd"
	"rondo/syslogd/syslog"
)

// A store keeps messages and probes in memory, and fails when told to.
type store struct {
	mu       sync.Mutex
	messages []string
	probes   []string
	full     bool
}

func (s *store) Put(ctx context.Context, batch []syslog.Message) error { return s.Write(ctx, batch) }

func (s *store) Write(_ context.Context, batch []syslog.Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range batch {
		s.messages = append(s.messages, strings.Clone(batch[i].Text))
	}
	return nil
}

func (s *store) Probe(_ context.Context, text string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.full {
		return errors.New("disk full")
	}
	s.probes = append(s.probes, strings.Clone(text))
	return nil
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// TestWay tells stories of sentinels: s sends the next, N arrives, x expires
// all that wait, fN fails.
func TestWay(t *testing.T) {
	f := func(story string, want Counts) {
		t.Helper()
		w, now := newWay(), time.Unix(0, 0)
		for word := range strings.FieldsSeq(story) {
			now = now.Add(time.Second)
			var seq uint64
			fmt.Sscanf(strings.TrimPrefix(word, "f"), "%d", &seq)
			switch {
			case word == "s":
				w.send(now)
			case word == "x":
				w.expire(now)
			case word[0] == 'f':
				w.fail(seq)
			default:
				w.arrive(seq, now)
			}
		}
		if d := cmp.Diff(want, w.Counts); d != "" {
			t.Errorf("%s: %s", story, d)
		}
	}
	f("s 1 s 2", Counts{Sent: 2, Arrived: 2, Delay: time.Second})
	f("s s 1 x", Counts{Sent: 2, Arrived: 1, Lost: 1, Delay: 2 * time.Second})
	f("s x x 1", Counts{Sent: 1, Lost: 1, Late: 1})
	f("s 1 1 1", Counts{Sent: 1, Arrived: 1, Duplicates: 2, Delay: time.Second})
	f("s s s 2 1 3", Counts{Sent: 3, Arrived: 3, Reordered: 1, Delay: 3 * time.Second})
	f("s f1 f1 s 2", Counts{Sent: 2, Failed: 1, Arrived: 1, Delay: time.Second})
	f("s f1 1", Counts{Sent: 1, Failed: 1, Late: 1}) // it could be sent after all
	f("s 1 f1", Counts{Sent: 1, Arrived: 1, Delay: time.Second})
	f("7", Counts{Duplicates: 1})
	w := newWay()
	for range 3 * maxMissing {
		w.send(time.Unix(0, 0))
		w.expire(time.Unix(1, 0))
	}
	if len(w.missing) > maxMissing || w.Lost != 3*maxMissing || len(w.pending) != 0 {
		t.Errorf("%d missing, %d lost", len(w.missing), w.Lost)
	}
}

// A network does to what it is given as the story says: a letter for each
// sentinel, the last one for all others.
//
//	.  brings it at once      d  after 15 s     D  after a minute
//	-  loses it               2  brings it twice      !  refuses the connection
type network struct {
	story string
	sink  syslogd.Writer
	wg    sync.WaitGroup
}

func (n *network) send(_ context.Context, _ syslogd.Endpoint, line string) error {
	what := n.story[0]
	if len(n.story) > 1 {
		n.story = n.story[1:]
	}
	bring := func(after time.Duration) {
		n.wg.Go(func() {
			time.Sleep(after)
			_ = n.sink.Write(context.Background(), []syslog.Message{syslog.Parse(line, time.Now(), netip.Addr{})})
		})
	}
	switch what {
	case '.':
		bring(time.Millisecond)
	case '2':
		bring(time.Millisecond)
		bring(2 * time.Millisecond)
	case 'd':
		bring(15 * time.Second)
	case 'D':
		bring(time.Minute)
	case '!':
		return errors.New("connection refused")
	}
	return nil
}

// TestNetworks has 8 sentinels, one each 10 s, go through bad networks.
func TestNetworks(t *testing.T) {
	f := func(story string, want Counts, log string) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			var out bytes.Buffer
			c := New(slog.New(slog.NewTextHandler(&out, nil)))
			n := &network{story: story, sink: c.Sink(&store{}, &store{})}
			c.out = n.send
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan bool)
			go func() {
				c.Run(ctx, DefaultConfig(), []syslogd.Endpoint{{Name: "udp"}})
				close(ended)
			}()
			time.Sleep(75 * time.Second)
			cancel()
			<-ended
			n.wg.Wait()
			if d := cmp.Diff(want, c.Snapshot()["udp"]); d != "" {
				t.Errorf("%s: %s", story, d)
			}
			var said []string
			for line := range strings.Lines(out.String()) {
				_, msg, _ := strings.Cut(line, "msg=")
				said = append(said, strings.TrimSpace(msg))
			}
			if got := strings.Join(said, "; "); got != log {
				t.Errorf("%s: said %s", story, got)
			}
		})
	}
	ms := time.Millisecond
	f(".", Counts{Sent: 8, Arrived: 8, Delay: ms}, "")
	f("2", Counts{Sent: 8, Arrived: 8, Duplicates: 8, Delay: ms}, "")
	f(".d.", Counts{Sent: 8, Arrived: 8, Reordered: 1, Delay: ms}, "")
	f(".---.", Counts{Sent: 8, Arrived: 5, Lost: 3, Delay: ms},
		`"sentinels are lost" lost=1 listener=udp; "sentinels arrive again" listener=udp; "sentinels are lost" lost=1 listener=udp; `+
			`"sentinels arrive again" listener=udp; "sentinels are lost" lost=1 listener=udp; "sentinels arrive again" listener=udp`)
	f(".D.", Counts{Sent: 8, Arrived: 7, Lost: 1, Late: 1, Reordered: 1, Delay: ms},
		`"sentinels are lost" lost=1 listener=udp; "sentinels arrive again" listener=udp`)
	f("!", Counts{Sent: 8, Failed: 8}, `"sentinels cannot be sent" err="connection refused" listener=udp`)
}

// serve runs a server and a canary that sends one sentinel into each way, and
// stops both in the order in which the program does.
func serve(t *testing.T, cfg syslogd.Config, c *Canary, s *store) map[string]Counts {
	t.Helper()
	srv, err := syslogd.NewServer(cfg, c.Sink(s, s), syslogd.NewStats(), quiet())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- srv.Run(ctx) }()
	sending, stop := context.WithCancel(t.Context())
	stop() // what is begun is finished, however slow the machine
	c.grace = time.Hour
	c.Run(sending, Config{Interval: time.Hour, Timeout: time.Minute}, srv.Endpoints())
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	all := c.Snapshot()
	for name, w := range all {
		if w.Arrived > 0 && w.Delay <= 0 {
			t.Errorf("%s: delay %v", name, w.Delay)
		}
		w.Delay = 0
		all[name] = w
	}
	return all
}

// certificate writes a certificate and its key, of httptest's.
func certificate(t *testing.T) syslogd.TLSConfig {
	t.Helper()
	srv := httptest.NewTLSServer(nil)
	defer srv.Close()
	pair := srv.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	c := syslogd.TLSConfig{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	for file, block := range map[string]*pem.Block{
		c.Cert: {Type: "CERTIFICATE", Bytes: pair.Certificate[0]},
		c.Key:  {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// TestEveryListener sends through real sockets of all kinds, strict ones too.
func TestEveryListener(t *testing.T) {
	cert, asking := certificate(t), certificate(t)
	asking.Fingerprints = []syslogd.Fingerprint{{}}
	dir, err := os.MkdirTemp("", "canary") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	const free = "127.0.0.1:0"
	cfg := syslogd.DefaultConfig()
	cfg.UDP, cfg.TCP, cfg.Unix, cfg.Strict = free, free, filepath.Join(dir, "log"), true
	cfg.TLS = syslogd.TLSListener{Listen: free, TLSConfig: cert}
	cfg.Listeners = []syslogd.ListenerConfig{
		{Name: "stream", Proto: syslogd.UnixStream, Listen: filepath.Join(dir, "stream")},
		{Name: "octets", Proto: syslogd.TCP, Listen: free, Framing: syslogd.FramingOctets},
		{Name: "nul", Proto: syslogd.TCP, Listen: free, Framing: syslogd.FramingNUL},
		{Name: "newline", Proto: syslogd.TCP, Listen: free, Framing: syslogd.FramingNewline},
		{Name: "gelf", Proto: syslogd.UDP, Listen: free, Format: syslogd.FormatGELF},
		{Name: "gelf-tcp", Proto: syslogd.TCP, Listen: free, Format: syslogd.FormatGELF},
		{Name: "journal", Proto: syslogd.TCP, Listen: free, Format: syslogd.FormatJournal},
		{Name: "relp", Proto: syslogd.RELP, Listen: free},
		{Name: "relp-tls", Proto: syslogd.RELPTLS, Listen: free, TLS: cert},
		{Name: "asking", Proto: syslogd.TLS, Listen: free, TLS: asking},
	}
	want := make(map[string]Counts)
	for _, name := range []string{"udp", "tcp", "tls", "unix", "stream", "octets", "nul", "newline", "gelf", "gelf-tcp", "journal", "relp", "relp-tls"} {
		want[name] = Counts{Sent: 1, Arrived: 1}
	}
	want["asking"] = Counts{Closed: "a client certificate"}
	s := &store{}
	if d := cmp.Diff(want, serve(t, cfg, New(quiet()), s)); d != "" {
		t.Error(d)
	}
	if len(s.probes) != len(want)-1 || len(s.messages) != 0 {
		t.Errorf("%d probes, messages %q", len(s.probes), s.messages)
	}
}

// TestReload wants the counts to go on, and a listener that is gone to be
// closed.
func TestReload(t *testing.T) {
	c, s := New(quiet()), &store{}
	cfg := syslogd.DefaultConfig()
	cfg.UDP, cfg.TCP = "127.0.0.1:0", "127.0.0.1:0"
	serve(t, cfg, c, s)
	cfg.UDP = ""
	want := map[string]Counts{"tcp": {Sent: 2, Arrived: 2}, "udp": {Sent: 1, Arrived: 1, Closed: "to be configured"}}
	if d := cmp.Diff(want, serve(t, cfg, c, s)); d != "" {
		t.Error(d)
	}
}

// TestFullDisk wants sentinels to be refused where messages are.
func TestFullDisk(t *testing.T) {
	cfg := syslogd.DefaultConfig()
	cfg.UDP, cfg.TCP = "", ""
	cfg.Listeners = []syslogd.ListenerConfig{{Name: "relp", Proto: syslogd.RELP, Listen: "127.0.0.1:0"}}
	got := serve(t, cfg, New(quiet()), &store{full: true})
	if d := cmp.Diff(map[string]Counts{"relp": {Sent: 1, Failed: 1}}, got); d != "" {
		t.Error(d)
	}
}

// TestOthersPass wants all that is no sentinel of ours to go on, in its order.
func TestOthersPass(t *testing.T) {
	c, s := New(quiet()), &store{}
	c.enter(syslogd.Endpoint{Name: "udp"})
	sink := c.Sink(s, s)
	forged := sentinel(syslogd.FormatSyslog, "ABC/udp/1", time.Now())
	own := sentinel(syslogd.FormatSyslog, fmt.Sprintf("%s/udp/%d", c.run, c.ways["udp"].send(time.Now())), time.Now())
	var batch []syslog.Message
	for _, line := range []string{"a", own, forged, "<13>1 - - rondo-canary - - - b", "c"} {
		batch = append(batch, syslog.Parse(line, time.Now(), netip.Addr{}))
	}
	for _, put := range []func(context.Context, []syslog.Message) error{sink.Write, sink.Put} {
		if err := put(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	if d := cmp.Diff([]string{"a", "ABC/udp/1", "b", "c", "a", "ABC/udp/1", "b", "c"}, s.messages); d != "" {
		t.Error(d)
	}
	if n := c.Snapshot()["udp"]; n.Arrived != 1 || n.Duplicates != 1 {
		t.Errorf("%+v", n)
	}
	s.full = true
	if err := sink.Write(t.Context(), batch); err != nil {
		t.Errorf("the others are stored, but: %v", err)
	}
}

func TestConfig(t *testing.T) {
	f := func(c Config, ok bool) {
		t.Helper()
		if err := c.Validate(); (err == nil) != ok {
			t.Errorf("%+v: %v", c, err)
		}
	}
	f(DefaultConfig(), true)
	f(Config{0, time.Second}, true)
	f(Config{time.Millisecond, time.Second}, false)
	f(Config{time.Second, 0}, false)
	f(Config{time.Second, time.Hour}, false)
}
