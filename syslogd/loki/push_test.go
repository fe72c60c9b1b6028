package loki

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/snappy"
	"google.golang.org/protobuf/encoding/protowire"

	"rondo/rrd/seglog"
	"rondo/syslogd"
	"rondo/syslogd/syslog"
)

// memory is a sink that keeps clones, or fails.
type memory struct {
	batch []syslog.Message
	err   error
}

func (s *memory) Put(_ context.Context, batch []syslog.Message) error {
	if s.err != nil {
		return s.err
	}
	for i := range batch {
		s.batch = append(s.batch, batch[i].Clone())
	}
	return nil
}

func newPush(s *memory) *API { return New(Options{Sink: func() syslogd.Sink { return s }}) }

// pushed sends a request and returns what was stored of it.
func pushed(t *testing.T, body []byte, header ...string) (batch []syslog.Message, status int, text string) {
	t.Helper()
	s := &memory{}
	w := send(newPush(s), body, header...)
	return s.batch, w.Code, strings.TrimSpace(w.Body.String())
}

func send(a *API, body []byte, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/loki/api/v1/push", bytes.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	a.Push().ServeHTTP(w, r)
	return w
}

// promtail writes a request as Promtail's generated code does.
func promtail(streams ...stream) []byte {
	var req []byte
	for _, s := range streams {
		var names []string
		for _, l := range s.labels {
			names = append(names, fmt.Sprintf("%s=%q", l.name, l.value))
		}
		b := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "{"+strings.Join(names, ", ")+"}")
		for _, e := range s.entries {
			b = protowire.AppendBytes(protowire.AppendTag(b, 2, protowire.BytesType), promtailEntry(e))
		}
		b = protowire.AppendVarint(protowire.AppendTag(b, 3, protowire.VarintType), 0xfeed) // the hash
		req = protowire.AppendBytes(protowire.AppendTag(req, 1, protowire.BytesType), b)
	}
	return req
}

func promtailEntry(e entry) []byte {
	at := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(e.at.Unix()))
	at = protowire.AppendVarint(protowire.AppendTag(at, 2, protowire.VarintType), uint64(e.at.Nanosecond()))
	b := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), at)
	b = protowire.AppendString(protowire.AppendTag(b, 2, protowire.BytesType), e.line)
	for _, l := range e.meta {
		m := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), l.name)
		m = protowire.AppendString(protowire.AppendTag(m, 2, protowire.BytesType), l.value)
		b = protowire.AppendBytes(protowire.AppendTag(b, 3, protowire.BytesType), m)
	}
	return b
}

const samplePush = `{"streams": [{"stream": {"job": "varlogs", "host": "web1", "level": "error", "env": "a\"]b"},
	"values": [["1763706000123456789", "disk is full"], ["1763706000123456790", "still full", {"trace_id": "0242ac"}]]}]}`

func sampleStream() stream {
	at := time.Unix(0, 1763706000123456789).UTC()
	return stream{
		labels: []label{{"env", `a"]b`}, {"host", "web1"}, {"job", "varlogs"}, {"level", "error"}},
		entries: []entry{
			{at: at, line: "disk is full"},
			{at: at.Add(1), line: "still full", meta: []label{{"trace_id", "0242ac"}}},
		},
	}
}

func zipped(t *testing.T, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err := w.Write(b)
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func deflated(t *testing.T, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.DefaultCompression)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Write(b)
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestPushForms holds that all forms of a request make the same messages.
func TestPushForms(t *testing.T) {
	proto := snappy.Encode(nil, promtail(sampleStream()))
	for name, c := range map[string]struct {
		body   []byte
		header []string
	}{
		"JSON":                {[]byte(samplePush), []string{"Content-Type", "application/json; charset=utf-8"}},
		"JSON, gzip":          {zipped(t, []byte(samplePush)), []string{"Content-Type", "application/json", "Content-Encoding", "gzip"}},
		"JSON, deflate":       {deflated(t, []byte(samplePush)), []string{"Content-Type", "application/json", "Content-Encoding", "deflate"}},
		"protobuf":            {proto, []string{"Content-Type", "application/x-protobuf"}},
		"protobuf, no header": {proto, nil},
		"protobuf, Promtail":  {readFile(t, "promtail.bin"), []string{"Content-Type", "application/x-protobuf", "User-Agent", "promtail/3.7.8"}}, // recorded
		"protobuf, snappy":    {proto, []string{"Content-Type", "application/x-protobuf", "Content-Encoding", "snappy"}},
	} {
		t.Run(name, func(t *testing.T) {
			batch, status, text := pushed(t, c.body, append(c.header, "X-Scope-OrgID", "tenant1")...)
			if status != http.StatusNoContent || len(batch) != 2 {
				t.Fatalf("status %d %q, %d messages", status, text, len(batch))
			}
			at := time.Unix(0, 1763706000123456789).UTC()
			want := []syslog.Message{
				{Text: "disk is full", Time: at, SD: `[loki@0 env="a\"\]b" job="varlogs"]`},
				{Text: "still full", Time: at.Add(1), SD: `[loki@0 env="a\"\]b" job="varlogs"][lokimeta@0 trace_id="0242ac"]`},
			}
			for i := range want {
				m := &want[i]
				m.Host, m.App, m.Severity, m.Facility, m.Raw = "web1", "varlogs", syslog.Error, 1, m.Text
				m.Sender, m.Received = netip.MustParseAddr("192.0.2.1"), batch[i].Received
				if time.Since(m.Received) > time.Minute {
					t.Errorf("received %v", m.Received)
				}
			}
			if d := cmp.Diff(want, batch, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestPushMapping tells which field a label becomes.
func TestPushMapping(t *testing.T) {
	f := func(labels, meta, want string) {
		t.Helper()
		body := `{"streams":[{"stream":` + labels + `,"values":[["1763706000000000000","x",` + meta + `]]}]}`
		batch, status, text := pushed(t, []byte(body), "Content-Type", "application/json")
		if status != http.StatusNoContent {
			t.Fatalf("%s: %d %s", labels, status, text)
		}
		m := batch[0]
		got := strings.Join([]string{m.Host, m.App, m.PID, m.Facility.String(), m.Severity.String(), m.SD}, " ")
		if got != want {
			t.Errorf("%s %s:\n got %s\nwant %s", labels, meta, got, want)
		}
	}
	f(`{"host":"a","app":"b","pid":"7","facility":"auth","level":"warn"}`, `{}`, `a b 7 auth warning `)
	f(`{"foo":"bar"}`, `{}`, `   user info [loki@0 foo="bar"]`)
	f(`{"instance":"i","hostname":"h","container":"c"}`, `{}`, `h c  user info [loki@0 container="c" hostname="h" instance="i"]`)
	f(`{"app":"a","job":"j"}`, `{}`, ` a  user info [loki@0 job="j"]`)
	f(`{"level":"INFO"}`, `{}`, `   user info [loki@0 level="INFO"]`)
	f(`{"level":"trace"}`, `{}`, `   user debug `)
	f(`{"level":"strange"}`, `{}`, `   user info [loki@0 level="strange"]`)
	f(`{"severity":"crit"}`, `{}`, `   user crit `)
	f(`{"severity":"critical"}`, `{}`, `   user crit [loki@0 severity="critical"]`)
	f(`{"app":"a"}`, `{"detected_level":"error","pid":"9"}`, ` a 9 user err [lokimeta@0 detected_level="error" pid="9"]`)
	f(`{"app":"a","level":"debug"}`, `{"detected_level":"error"}`, ` a  user debug [lokimeta@0 detected_level="error"]`)
	f(`{"app":"a"}`, `{"service.name":"x y","k=]\"ü":"1"}`, ` a  user info [lokimeta@0 service.name="x y" k_____="1"]`)
	f(`{"app":"a","empty":""}`, `{}`, ` a  user info `)
}

func TestPushRefusals(t *testing.T) {
	f := func(status int, want, body string, header ...string) {
		t.Helper()
		if len(header) == 0 {
			header = []string{"Content-Type", "application/json"}
		}
		batch, got, text := pushed(t, []byte(body), header...)
		if got != status || !strings.Contains(text, want) || len(batch) > 0 {
			t.Errorf("%.100s: status %d, %q, %d messages; want %d, %q", body, got, text, len(batch), status, want)
		}
	}
	f(422, "at least one valid stream", `{"streams":[]}`)
	f(422, "at least one valid stream", `{}`)
	f(400, "EOF", ``)
	f(400, "EOF", `{"streams":[{"stream":{"a":"b"},"values":[["1","x"`)
	f(400, "timestamp must be a string", `{"streams":[{"stream":{"a":"b"},"values":[[1763706000000000000,"x"]]}]}`)
	f(400, `timestamp "now"`, `{"streams":[{"stream":{"a":"b"},"values":[["now","x"]]}]}`)
	f(400, "line must be a string", `{"streams":[{"stream":{"a":"b"},"values":[["1",{}]]}]}`)
	f(400, "an entry is a timestamp and a line", `{"streams":[{"stream":{"a":"b"},"values":[["1"]]}]}`)
	f(400, `value of label "a" must be a string`, `{"streams":[{"stream":{"a":7},"values":[["1","x"]]}]}`)
	f(400, "something follows", `{"streams":[]} {}`)
	f(400, "at least one label pair", `{"streams":[{"stream":{},"values":[["1","x"]]}]}`)
	f(400, `invalid label name "a-b"`, `{"streams":[{"stream":{"a-b":"c"},"values":[["1","x"]]}]}`)
	f(400, "label value too long", `{"streams":[{"stream":{"a":"`+strings.Repeat("x", maxValue+1)+`"},"values":[["1","x"]]}]}`)
	f(400, "more than 64 of label", `{"streams":[{"stream":{`+strings.Repeat(`"a":"b",`, maxLabels)+`"c":"d"},"values":[["1","x"]]}]}`)
	f(400, "more than 5000 streams", `{"streams":[{}`+strings.Repeat(`,{}`, maxStreams)+`]}`)
	f(400, "more than 100000 lines", `{"streams":[{"values":[["1",""]`+strings.Repeat(`,["1",""]`, maxLines)+`]}]}`)
	f(400, "application/x-protobuf compressed by snappy", `hello`, "Content-Type", "text/plain")
	f(400, `Content-Encoding "br" not supported`, `x`, "Content-Type", "application/json", "Content-Encoding", "br")
	f(400, "not a push request", string(snappy.Encode(nil, []byte("hello"))), "Content-Type", "application/x-protobuf")
	f(400, "couldn't parse labels", string(snappy.Encode(nil, []byte("\x0a\x05\x0a\x03{a}"))), "Content-Type", "application/x-protobuf")
	f(413, "more than 33554432 bytes", "\x81\x80\x80\x10", "Content-Type", "application/x-protobuf") // which says 32 MiB and a byte
	f(413, "bytes of labels", `{"streams":[{"stream":{"a":"`+strings.Repeat("x", maxValue)+`"},"values":[["1",""]`+strings.Repeat(`,["1",""]`, maxRepeated/maxValue)+`]}]}`)
	f(413, "too large", strings.Repeat(" ", maxBody+1))
}

// TestDecompressedLimit: what a small body becomes is bounded as well.
func TestDecompressedLimit(t *testing.T) {
	read := func(n int) error {
		_, err := io.ReadAll(&limitedReader{r: bytes.NewReader(make([]byte, n)), left: 1000})
		return err
	}
	if read(1000) != nil || read(1001) != errTooLarge || pushStatus(errTooLarge) != http.StatusRequestEntityTooLarge {
		t.Error("1000 bytes must be taken, and 1001 refused by 413")
	}
}

// TestPushPartly: what can be stored is, though the request is refused.
func TestPushPartly(t *testing.T) {
	body := `{"streams":[{"stream":{"a-b":"c"},"values":[["1","bad"]]},{"stream":{"a":"c"},"values":[["1","good"]]}]}`
	batch, status, _ := pushed(t, []byte(body), "Content-Type", "application/json")
	if status != 400 || len(batch) != 1 || batch[0].Text != "good" {
		t.Errorf("status %d, %v", status, batch)
	}
}

func TestPushToFullStore(t *testing.T) {
	a := newPush(&memory{err: fmt.Errorf("put: %w", seglog.ErrFull)})
	w := send(a, []byte(samplePush), "Content-Type", "application/json")
	if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "disk is full") || w.Header().Get("Retry-After") == "" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if got := a.Snapshot()["not_stored"]; got != 2 {
		t.Errorf("not_stored is %d, want 2", got)
	}
}

func TestLongLinesAreCut(t *testing.T) {
	body := `{"streams":[{"stream":{"a":"b"},"values":[["1","` + strings.Repeat("ü", maxLine) + `"]]}]}`
	batch, status, _ := pushed(t, []byte(body), "Content-Type", "application/json")
	if status != 204 || len(batch[0].Text) != maxLine || !batch[0].Truncated {
		t.Errorf("status %d, %d bytes, truncated %v", status, len(batch[0].Text), batch[0].Truncated)
	}
}

// FuzzPush feeds both decoders. What they take must survive the way into
// structured data and back.
func FuzzPush(f *testing.F) {
	f.Add([]byte(samplePush), true)
	f.Add(promtail(sampleStream()), false)
	f.Add([]byte(`{"streams":[{"labels":"{a=\"b\"}","entries":[]}]}`), true)
	f.Fuzz(func(t *testing.T, body []byte, asJSON bool) {
		decode := decodeProto
		if asJSON {
			decode = decodeJSON
		}
		streams, err := decode(body)
		if err != nil {
			return
		}
		batch, _ := messages(streams, netip.Addr{}, time.Unix(1, 0))
		for i := range batch {
			checkSD(t, &batch[i])
		}
	})
}

func checkSD(t *testing.T, m *syslog.Message) {
	t.Helper()
	n := len(`[]`)
	for p := range syslog.SDParams(m.SD) {
		n += len(p.Name) + len(p.Raw) + len(` =""`)
	}
	n += strings.Count(m.SD, "["+labelsID+" ")*len(labelsID) + strings.Count(m.SD, "["+metaID+" ")*len(metaID)
	if m.SD != "" && n < len(m.SD)-len(`[]`) {
		t.Errorf("structured data is not read back as a whole: %q", m.SD)
	}
}
