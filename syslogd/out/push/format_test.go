package push

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"rondo/syslogd/macro"
	"rondo/syslogd/out"
	"rondo/syslogd/syslog"
)

func sample() syslog.Message {
	return syslog.Parse(`<34>1 2026-10-11T22:14:15.003456789Z web-1 su 77 ID47 [json@1 user.id="7" ip="a" ip="b\"]"][other@1 user_id="8" pid="9"] caf`+
		"\xe9 \x01 \"quoted\" \u00e9", time.Date(2026, 10, 11, 22, 14, 16, 5e6, time.UTC), netip.MustParseAddr("10.0.0.7"))
}

// written is the request that one message makes.
func written(t *testing.T, cfg Config, m syslog.Message) string {
	t.Helper()
	cfg.URL = []string{"https://a.example"}
	d, err := New(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	p := &portion{}
	it := item{}
	it.stream, p.buf = d.format.append(nil, &m, "log-10")
	it.to = len(p.buf)
	return string(d.format.body(p, []item{it}))
}

func TestObjects(t *testing.T) {
	f := func(cfg Config, want string) {
		t.Helper()
		got := written(t, cfg, sample())
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		dec := json.NewDecoder(strings.NewReader(got))
		for {
			var any json.RawMessage
			if err := dec.Decode(&any); err == io.EOF {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
	}
	const usual = `"key":"log-10","received":"2026-10-11T22:14:16.005Z","host":"web-1","app":"su","pid":"77","msgid":"ID47","facility":"auth",` +
		`"severity":"crit","sender":"10.0.0.7","sd":{"json@1":{"user.id":"7","ip":["a","b\"]"]},"other@1":{"user_id":"8","pid":"9"}},` +
		`"message":"caf` + "\ufffd" + ` \u0001 \"quoted\" é"}` + "\n"
	f(Config{Format: JSON}, `{"time":"2026-10-11T22:14:15.003456789Z",`+usual)
	f(Config{Format: JSONArray}, `[{"time":"2026-10-11T22:14:15.003456789Z",`+usual+"]")
	f(Config{Format: JSON, Time: Reception, Fields: map[string]macro.Source{"who": "${APP}@${HOST}", "what": "${TEXT}", "none": "${sd.none}"}},
		`{"time":"2026-10-11T22:14:16.005Z","key":"log-10","what":"caf`+"\ufffd"+` \u0001 \"quoted\" é","who":"su@web-1"}`+"\n")
	f(Config{Format: Elasticsearch}, `{"create":{"_index":"rondo-2026.10.11","_id":"log-10"}}`+"\n"+`{"@timestamp":"2026-10-11T22:14:15.003456789Z",`+usual)
	f(Config{Format: Elasticsearch, Index: "L ogs-${sd.ip}/../${MSGID}", Fields: map[string]macro.Source{"m": "x"}},
		`{"create":{"_index":"l_ogs-a_.._id47","_id":"log-10"}}`+"\n"+`{"@timestamp":"2026-10-11T22:14:15.003456789Z","key":"log-10","m":"x"}`+"\n")
}

func TestLokiJSON(t *testing.T) {
	f := func(cfg Config, want string) {
		t.Helper()
		cfg.Format = LokiJSON
		if diff := cmp.Diff(want, written(t, cfg, sample())); diff != "" {
			t.Error(diff)
		}
	}
	const text = `"caf` + "\ufffd" + ` \u0001 \"quoted\" é"`
	f(Config{}, `{"streams":[{"stream":{"app":"su","host":"web-1","level":"crit"},"values":[["1791756855003456789",`+text+
		`,{"facility":"auth","pid":"77","msgid":"ID47","sender":"10.0.0.7","user_id":"7","ip":"a","json_1_ip":"b\"]","other_1_user_id":"8","other_1_pid":"9"}]]}]}`)
	f(Config{NoMetadata: true, Time: Reception, Labels: map[string]macro.Source{"job": "x", "none": "${sd.none}"}},
		`{"streams":[{"stream":{"job":"x"},"values":[["1791756856005000000",`+text+`]]}]}`)
	ahead := sample()
	ahead.Time, ahead.SD = ahead.Received.Add(maxAhead+1), ""
	if got := written(t, Config{Format: LokiJSON}, ahead); !strings.Contains(got, `[["1791756856005000000",`) || !strings.Contains(got, `"time":"2026-10-11T22:19:16.005000001Z"`) {
		t.Error(got)
	}
	f(Config{NoMetadata: true, Line: "${APP}: ${MSGID}", Labels: map[string]macro.Source{"none": "${sd.none}"}},
		`{"streams":[{"stream":{"job":"rondo"},"values":[["1791756855003456789","su: ID47"]]}]}`)
}

// TestStreamsAreBounded: what would make too many streams goes to one, with
// its labels, and streams that have ended make room.
func TestStreamsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStreams(3, slog.New(slog.DiscardHandler))
		f := func(host, want string) {
			t.Helper()
			if got := s.of([]pair{{"host", host}}, time.Now()); got.text != want || got.overflow != strings.Contains(want, "overflow") {
				t.Errorf("%s: %s, want %s", host, got.text, want)
			}
		}
		const over = `{overflow="true"}`
		f("a", `{host="a"}`)
		f("b", `{host="b"}`)
		f("c", `{host="c"}`)
		f("d", over)
		f("a", `{host="a"}`)
		time.Sleep(generation)
		f("b", `{host="b"}`)
		f("d", over)
		time.Sleep(generation)
		f("d", `{host="d"}`)
		f("e", `{host="e"}`)
		f("f", over)
		f("b", `{host="b"}`)
		f(strings.Repeat("x", maxLabel+1), over)
	})
}

// TestOverflowKeepsLabels: what is in no stream of its own tells its labels.
func TestOverflowKeepsLabels(t *testing.T) {
	m := sample()
	l, err := newLoki(&Config{Format: LokiJSON, Time: MessageTime, Streams: 1, Line: "x", Labels: map[string]macro.Source{"host": "${HOST}"}}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	l.append(nil, &m, "")
	m.Host, m.SD = "web-2", ""
	s, entry := l.append(nil, &m, "")
	const want = `["1791756855003456789","x",{"host":"web-2","facility":"auth","pid":"77","msgid":"ID47","sender":"10.0.0.7"}]`
	if s.json != `{"overflow":"true"}` || string(entry) != want {
		t.Errorf("%s %s", s.json, entry)
	}
}

// TestRequestsOfLoki: a request has one stream, in the order of its messages.
func TestRequestsOfLoki(t *testing.T) {
	a, b := &stream{text: "a"}, &stream{text: "b"}
	items := []item{{number: 1, stream: a}, {number: 2, stream: b}, {number: 3, stream: a}}
	f := func(mixed bool, want string) {
		t.Helper()
		var got []string
		for _, group := range (&loki{mixed: mixed}).split(items) {
			text := ""
			for _, it := range group {
				text += it.stream.text + strconv.FormatUint(it.number, 10)
			}
			got = append(got, text)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%v, want %s", got, want)
		}
	}
	f(false, "a1a3 b2")
	f(true, "a1b2a3")
}

func TestValidate(t *testing.T) {
	f := func(want string, change func(*Config)) {
		t.Helper()
		c := Config{Format: JSON, URL: []string{"https://a.example/x"}}
		change(&c)
		err := c.Validate()
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("error %v, want %q", err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("a secret is told: %v", err)
		}
	}
	f("", func(*Config) {})
	f(`format: "xml" is none of loki, loki-json, elasticsearch, json, json-array`, func(c *Config) { c.Format = "xml" })
	f("url: want 1 to 32 addresses", func(c *Config) { c.URL = nil })
	f("url: 1: want http:// or https:// and a host", func(c *Config) { c.URL = []string{"a.example:3100"} })
	f("user and password belong under basic", func(c *Config) { c.URL = []string{"https://me:hunter2@a.example"} })
	f("url: 1 cannot be read", func(c *Config) { c.URL = []string{"https://me:hunter2%@a.example:x"} })
	f("mode:", func(c *Config) { c.Mode = "random" })
	f("always compressed by Snappy", func(c *Config) { c.Format, c.Compression = Loki, Gzip })
	f("batch: messages: 100000: want at most 50000", func(c *Config) { c.Batch.Messages = 100_000 })
	f("batch: linger: 1h0m0s", func(c *Config) { c.Batch.Linger = time.Hour })
	f("want https, or allow_plaintext: true", func(c *Config) { c.URL, c.Bearer = []string{"http://a.example"}, "hunter2" })
	f("", func(c *Config) { c.URL, c.Bearer = []string{"http://127.0.0.1:3100"}, "hunter2" })
	f("", func(c *Config) { c.URL, c.Bearer, c.AllowPlaintext = []string{"http://a.example"}, "hunter2", true })
	f("a.example is not https", func(c *Config) { c.URL, c.TLS.CA = []string{"http://a.example"}, "ca.pem" })
	f("bearer: cannot be sent", func(c *Config) { c.Bearer = "hunter2\r\nX: y" })
	f(`headers: "X Y" cannot be sent`, func(c *Config) { c.Headers = map[string]out.Secret{"X Y": "hunter2"} })
	f("basic and bearer", func(c *Config) { c.Bearer, c.Basic.User = "hunter2", "me" })
	f("basic: user", func(c *Config) { c.Basic.Password = "hunter2" })
	f(`labels: "a.b": want letters`, func(c *Config) { c.Labels = map[string]macro.Source{"a.b": "x"} })
	f("labels: a: macro:", func(c *Config) { c.Labels = map[string]macro.Source{"a": "${NOPE}"} })
	f("fields: a: macro:", func(c *Config) { c.Fields = map[string]macro.Source{"a": "${"} })
	f("index: want it to begin with a name of its own", func(c *Config) { c.Index = "${HOST}" })
	f("proxy:", func(c *Config) { c.Proxy = "a.example:3128" })
	f("tls: cert and key", func(c *Config) { c.TLS.Cert = "a" })
}

// FuzzQuoted: any bytes become a string of JSON with the same characters.
func FuzzQuoted(f *testing.F) {
	f.Add("plain")
	f.Add("\x00\x1f\x7f\"\\\xff\u2028é")
	f.Fuzz(func(t *testing.T, s string) {
		var got string
		if err := json.Unmarshal(appendQuoted(nil, s), &got); err != nil {
			t.Fatal(err)
		}
		if want := string([]rune(s)); got != want {
			t.Errorf("%q became %q", s, got)
		}
	})
}

// FuzzBulkAnswer: whatever answers, each item is either settled, refused or
// left, or nothing is.
func FuzzBulkAnswer(f *testing.F) {
	f.Add([]byte(`{"took":1,"errors":true,"items":[{"create":{"status":201}},{"create":{"status":429,"error":{"type":"x"}}}]}`))
	f.Add([]byte(`{"items":[{"create":{"status":400}},{"index":{"status":409}}]}`))
	f.Fuzz(func(t *testing.T, answer []byte) {
		items := []item{{number: 1}, {number: 2}}
		refused := 0
		left, why, err := (&elastic{}).read(items, answer, func(string) { refused++ })
		if len(left)+refused > 2 || (len(left) > 0) != (why != nil) || err != nil && len(left) > 0 {
			t.Errorf("%d left, %d refused, why %v, error %v", len(left), refused, why, err)
		}
	})
}

// FuzzLabelName: names are what Loki takes, and good ones stay.
func FuzzLabelName(f *testing.F) {
	f.Add("user.id")
	f.Add("9é")
	f.Fuzz(func(t *testing.T, name string) {
		got := labelName(name)
		if len(got) != len(name) || !utf8.ValidString(got) || labelName(got) != got {
			t.Errorf("%q became %q", name, got)
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	for _, format := range []Format{Loki, LokiJSON, Elasticsearch, JSON} {
		b.Run(string(format), func(b *testing.B) { benchmarkEncode(b, Config{Format: format, URL: []string{"https://a.example"}}) })
	}
}

// benchmarkEncode makes requests of 1000 messages; the time is that of one.
func benchmarkEncode(b *testing.B, cfg Config) {
	d, err := New(cfg, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		b.Fatal(err)
	}
	m := sample()
	b.ReportAllocs()
	p := &portion{}
	size := 0
	for b.Loop() {
		it := item{from: len(p.buf)}
		it.stream, p.buf = d.format.append(p.buf, &m, "log-"+strconv.Itoa(len(p.items)))
		it.to = len(p.buf)
		if p.items = append(p.items, it); len(p.items) < 1000 {
			continue
		}
		body, err := compress(d.cfg.Compression, d.format.body(p, p.items))
		if err != nil {
			b.Fatal(err)
		}
		size = len(body)
		p.reset()
	}
	b.ReportMetric(float64(size)/1000, "B/message")
}
