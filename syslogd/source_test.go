package syslogd

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rondo/syslogd/syslog"
)

// What systemd-journald 252 and journalctl -o export made of systemd-cat, of
// a program that speaks journald's own protocol, and of a line with a tab,
// recorded: journald does not run where tests do.
func TestJournalExportRecorded(t *testing.T) {
	export, err := os.ReadFile("testdata/journal.export")
	if err != nil {
		t.Fatal(err)
	}
	for _, proto := range []Proto{TCP, UnixStream} {
		t.Run(string(proto), func(t *testing.T) {
			store := newMemory()
			conn := formatted(t, store, ListenerConfig{Name: "journal", Proto: proto, Format: FormatJournal})
			send(t, conn, string(export))
			store.wait(t, 3)
			if m := store.at(0); m.Text != "hello from systemd-cat" || m.App != "cat-test" || m.Host != "web-01" ||
				m.PID != "2304" || m.Severity != syslog.Warning || m.Time.UnixMicro() != 1795245301725165 {
				t.Errorf("%+v", m)
			}
			if m := store.at(1); m.Text != "one line\twith tab" || m.App != "tabs" {
				t.Errorf("%+v", m)
			}
			if m := store.at(2); m.Text != "first\nsecond" || m.Severity != syslog.Error || !strings.Contains(m.SD, `REQUEST_ID="77"`) {
				t.Errorf("%+v", m)
			}
		})
	}
}

// formatted starts a server with one more listener and returns a connection
// to it.
func formatted(t *testing.T, store Sink, l ListenerConfig) net.Conn {
	t.Helper()
	network := string(l.Proto)
	l.Listen = "127.0.0.1:0"
	if l.Proto == UnixStream {
		network, l.Listen = "unix", filepath.Join(t.TempDir(), "socket")
	}
	s, _ := start(t, store, func(c *Config) { c.UDP, c.TCP, c.Listeners = "", "", []ListenerConfig{l} })
	return dial(t, network, s.Addr(l.Name))
}

// An entry is stored before the next one is complete, and a stream that is
// none ends the connection.
func TestJournalEntryDoesNotWait(t *testing.T) {
	store := newMemory()
	conn := formatted(t, store, ListenerConfig{Name: "journal", Proto: TCP, Format: FormatJournal})
	send(t, conn, "MESSAGE=one\n\nMESSAGE=two\n\nMESSAGE=thr")
	if got := store.wait(t, 2); got[1] != "two" {
		t.Errorf("%q", got)
	}
	send(t, conn, "ee\n\nno journal\n")
	if _, err := io.ReadAll(conn); err != nil {
		t.Error(err)
	}
	if got := store.wait(t, 3); got[2] != "three" {
		t.Errorf("%q", got)
	}
}

const gelfMessage = `{"version":"1.1","host":"web-01","short_message":"%s","level":4,"_app":"shop","timestamp":1795245301.5}`

func TestGELFStream(t *testing.T) {
	store := newMemory()
	conn := formatted(t, store, ListenerConfig{Name: "gelf", Proto: TCP, Format: FormatGELF})
	send(t, conn, fmt.Sprintf(gelfMessage, "one")+"\x00"+fmt.Sprintf(gelfMessage, "two")+"\x00no JSON\x00")
	store.wait(t, 3)
	for i, want := range []string{"one", "two", "no JSON"} {
		m := store.at(i)
		if m.Text != want || m.Sender.String() != "127.0.0.1" || i < 2 && (m.Host != "web-01" || m.App != "shop" || m.Severity != syslog.Warning) {
			t.Errorf("%+v", m)
		}
	}
}

// Datagrams come whole, compressed, in chunks in any order, or are never
// complete: then what there is of them is kept too.
func TestGELFDatagrams(t *testing.T) {
	store := newMemory()
	cfg := DefaultConfig()
	cfg.UDP, cfg.TCP = "", ""
	cfg.Listeners = []ListenerConfig{{Name: "gelf", Proto: UDP, Listen: "127.0.0.1:0", Format: FormatGELF}}
	s, stop := run(t, cfg, store, quiet())
	conn := dial(t, "udp", s.Addr("gelf"))
	send(t, conn, fmt.Sprintf(gelfMessage, "plain"))
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	fmt.Fprintf(w, gelfMessage, "packed")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	send(t, conn, packed.String())
	chunked := fmt.Sprintf(gelfMessage, strings.Repeat("long ", 3000))
	half := len(chunked) / 2
	send(t, conn, "\x1e\x0fMESSAGE1\x01\x02"+chunked[half:])
	send(t, conn, "\x1e\x0fMESSAGE1\x00\x02"+chunked[:half])
	send(t, conn, "\x1e\x0fMESSAGE2\x00\x02"+chunked[:half])
	got := store.wait(t, 3)
	if got[0] != "plain" || got[1] != "packed" || len(got[2]) != 15000 {
		t.Errorf("%.100q", got)
	}
	eventually(t, func() bool { return s.Snapshot()["received_gelf"] == 5 })
	stop()
	if got := store.texts(); len(got) != 4 || s.Snapshot()["gelf_incomplete"] != 1 {
		t.Errorf("%d messages, %v", len(got), s.Snapshot())
	}
}

// Each framing can be had alone.
func TestFramings(t *testing.T) {
	for framing, c := range map[Framing]struct {
		in   string
		want []string
	}{
		FramingAuto:    {"<34>a one\n9 <34>a two<34>a three\n", []string{"<34>a one", "<34>a two", "<34>a three"}},
		FramingOctets:  {"9 <34>a one7 x three", []string{"<34>a one", "x three"}},
		FramingNewline: {"9 <34>a one\n<34>a two\r\n\n<34>a\x00b\n", []string{"9 <34>a one", "<34>a two", "<34>a\x00b"}},
		FramingNUL:     {"<34>a one\nmore\x00\x00<34>a two", []string{"<34>a one\nmore", "<34>a two"}},
	} {
		t.Run(string(framing), func(t *testing.T) {
			store := newMemory()
			conn := formatted(t, store, ListenerConfig{Name: "x", Proto: TCP, Framing: framing})
			send(t, conn, c.in)
			conn.(*net.TCPConn).CloseWrite()
			io.ReadAll(conn)
			var got []string
			for i := range store.texts() {
				got = append(got, store.at(i).Raw)
			}
			if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", c.want) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// What a client sends while the server is told to stop is read to its end.
func TestStopReadsConnections(t *testing.T) {
	store := newMemory()
	s, stop := start(t, store, nil)
	conn := dial(t, "tcp", s.Addr("tcp"))
	send(t, conn, "<34>first\n")
	store.wait(t, 1)
	send(t, conn, strings.Repeat("<34>x\n", 10_000))
	stop()
	if got := len(store.texts()); got != 10_001 {
		t.Errorf("%d messages", got)
	}
}
