package gelf

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"rondo/syslogd/syslog"
)

// captured reads testdata/graypy.txt: what the handlers of graypy 2.1.0 sent,
// one datagram a line, as a name and a Go string.
func captured(tb testing.TB) map[string][]string {
	tb.Helper()
	data, err := os.ReadFile("testdata/graypy.txt")
	if err != nil {
		tb.Fatal(err)
	}
	all := map[string][]string{}
	for line := range strings.Lines(string(data)) {
		name, quoted, _ := strings.Cut(strings.TrimSpace(line), " ")
		datagram, err := strconv.Unquote(quoted)
		if err != nil {
			tb.Fatalf("%s: %v", line, err)
		}
		all[name] = append(all[name], datagram)
	}
	return all
}

// Every message of a real sender comes through all of the way, be it
// compressed, in chunks of any order, or in a stream.
func TestRealSender(t *testing.T) {
	sent := captured(t)
	var got []syslog.Message
	var d Decoder
	take := func(p Payload) {
		m, err := d.Decode(p)
		if err != nil {
			t.Errorf("%q: %v", p.Data, err)
		}
		got = append(got, m)
	}
	var c Chunks
	for _, name := range []string{"udp", "plain", "chunked"} {
		for i := range sent[name] {
			datagram := sent[name][len(sent[name])-1-i] // the last first
			for _, p := range c.Add([]byte(datagram), sender, received()) {
				take(p)
			}
		}
	}
	stream := NewStream(strings.NewReader(strings.Join(sent["tcp"], "")), 0)
	for err := error(nil); err == nil; {
		var batch []Payload
		batch, err = stream.Append(nil)
		for _, p := range batch {
			take(p)
		}
	}
	want := []string{"order 7 placed", "failed\nTraceback (most recent call last):", "numbers: 0 7919 15838", "over tcp", "café"}
	if len(got) != len(want) || c.oldest.Len() != 0 {
		t.Fatalf("%d messages, %d in parts, want %d", len(got), c.oldest.Len(), len(want))
	}
	for i, m := range got {
		if !strings.HasPrefix(m.Text, want[i]) || m.Host != "web-01" || m.App != "app.module" || m.PID == "" || m.Time.Year() != 2026 {
			t.Errorf("%+v, want %s", m, want[i])
		}
	}
}

func ExampleDecoder_Decode() {
	m, err := decode(`{"version":"1.1","host":"web-01","short_message":"order placed","level":4,"_user":"alice","_n":3}`)
	fmt.Println(m.Host, m.Severity, m.Text, err)
	for p := range syslog.SDParams(m.SD) {
		fmt.Println("sd."+p.Name, p.Value())
	}
	fmt.Println(m.Raw)
	// Output:
	// web-01 warning order placed <nil>
	// sd.user alice
	// sd.n 3
	// <12>1 - web-01 - - - [gelf user="alice" n="3"] order placed
}
