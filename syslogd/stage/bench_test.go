package stage

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"rondo/syslogd/syslog"
)

// typical are lines as they come, none with a secret.
func typical() []syslog.Message {
	var batch []syslog.Message
	for _, text := range []string{
		`<134>1 2026-10-11T22:14:15.003456Z web17 nginx 4711 - - 10.1.2.3 - - [11/Oct/2026:22:14:15 +0000] "GET /api/v1/items/4711?page=2&sort=name HTTP/1.1" 200 17345 "https://shop.example.com/items" "Mozilla/5.0 (X11; Linux x86_64)" rt=0.017`,
		`<38>Oct 11 22:14:15 db3 sshd[12345]: Accepted publickey for deploy from 10.1.2.3 port 51234 ssh2: RSA SHA256:nThbg6kXUpJWGl7E1IGOCspRomTxdCARLviKw6E5SY8`,
		`<134>1 2026-10-11T22:14:15.003456Z app7 checkout 811 - - {"level":"info","msg":"order placed","order":"A-104711","user_id":815,"duration_ms":17.3,"items":3,"total":104.95,"region":"eu-central-1"}`,
		`<134>1 2026-10-11T22:14:15.003456Z app7 inventory 812 - - level=info msg="stock reserved" sku=XK-4711 warehouse=fra1 quantity=3 duration=12.5ms trace=4bf92f3577b34da6a3ce929d0e0e4736`,
		`<6>Oct 11 22:14:15 web17 kernel: [1234567.890123] TCP: request_sock_TCP: Possible SYN flooding on port 443. Sending cookies. Check SNMP counters.`,
	} {
		batch = append(batch, line(text))
	}
	return batch
}

func benchmarkBatch(b *testing.B, batch []syslog.Message, stages ...Config) {
	p := pipe(b, stages...)
	b.ReportAllocs()
	now := start
	n := 0
	began := cpuTime(b)
	for b.Loop() {
		p.Apply(now, batch)
		now = now.Add(time.Microsecond)
		n += len(batch)
	}
	b.ReportMetric(float64((cpuTime(b)-began).Nanoseconds())/float64(n), "cpu-ns/msg")
}

// cpuTime is what the process has used: the clock of the wall measures the
// others on the machine, too.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkRedact(b *testing.B) {
	b.Run("clean", func(b *testing.B) {
		benchmarkBatch(b, typical(), Config{Redact: &RedactConfig{Patterns: patterns()[:3]}})
	})
	b.Run("five", func(b *testing.B) {
		batch := typical()
		benchmarkBatch(b, batch[2:], Config{Redact: &RedactConfig{Patterns: patterns()}})
	})
	b.Run("found", func(b *testing.B) { // addresses
		batch := typical()
		benchmarkBatch(b, batch[:2], Config{Redact: &RedactConfig{Patterns: patterns()}})
	})
	b.Run("regexes", func(b *testing.B) {
		benchmarkBatch(b, typical(), Config{Redact: &RedactConfig{Regexes: []string{`customer-(\d+)`, `ssn=\d{3}-\d{2}-\d{4}`, `IBAN [A-Z]{2}\d+`, `x-trace-\w+`, `sk_live_\w+`}}})
	})
	b.Run("escaped", func(b *testing.B) {
		benchmarkBatch(b, []syslog.Message{line(`<134>1 2026-10-11T22:14:15.003456Z app7 checkout 811 - - {"level":"info","msg":"GET \"/search?q=a%20b\" done","order":"A-104711","duration_ms":17.3}`)},
			Config{Redact: &RedactConfig{}})
	})
	b.Run("secret", func(b *testing.B) {
		benchmarkBatch(b, []syslog.Message{line(`<134>1 2026-10-11T22:14:15.003456Z app7 inventory 812 - - level=info msg="login" user=ann password=hunter2 quantity=3 duration=12.5ms`)},
			Config{Redact: &RedactConfig{}})
	})
}

func BenchmarkParse(b *testing.B) {
	all := typical()
	f := func(name string, m syslog.Message, c ParseConfig) {
		b.Run(name, func(b *testing.B) { benchmarkBatch(b, []syslog.Message{m}, Config{Parse: &c}) })
	}
	f("apache", all[0], ParseConfig{Format: "apache"})
	f("json", all[2], ParseConfig{Format: "json"})
	f("kv", all[3], ParseConfig{Format: "kv"})
	f("pattern", all[1], ParseConfig{Format: "pattern", Pattern: "for <user> from <ip> port <port> "})
	f("csv", line("<13>ann,17,GET,\"a, b\",ok"), ParseConfig{Format: "csv", Columns: []string{"user", "ms", "method", "text", "state"}})
}

func BenchmarkStages(b *testing.B) {
	f := func(name string, c Config) {
		b.Run(name, func(b *testing.B) { benchmarkBatch(b, typical(), c) })
	}
	f("drop", Config{Filter: matching(b, "app:kernel"), Drop: true})
	f("none", Config{Filter: matching(b, "app:none"), Drop: true})
	f("rate_limit", Config{RateLimit: &RateLimitConfig{Rate: 1e9}})
	f("sample", Config{Sample: &SampleConfig{OneIn: 10}})
	f("dedup", Config{Dedup: &DedupConfig{}})
	f("rewrite", Config{Rewrite: &RewriteConfig{Set: map[string]string{"facility": "local0", "sd.team": "shop"}}})
}

// BenchmarkPipe is what one would really use.
func BenchmarkPipe(b *testing.B) {
	benchmarkBatch(b, typical(),
		Config{Filter: matching(b, "app:nginx /GET \\/health/"), Drop: true},
		Config{Redact: &RedactConfig{}},
		Config{Filter: matching(b, "app:nginx"), Parse: &ParseConfig{Format: "apache"}},
		Config{Filter: matching(b, "app:checkout"), Parse: &ParseConfig{Format: "json"}},
		Config{Filter: matching(b, "app:inventory"), Parse: &ParseConfig{Format: "kv"}},
		Config{Filter: matching(b, "sd.level:*"), Rewrite: &RewriteConfig{Copy: map[string]string{"severity": "sd.level"}}},
		Config{Filter: matching(b, "severity:debug"), Sample: &SampleConfig{OneIn: 10}},
		Config{RateLimit: &RateLimitConfig{Rate: 1e9, By: []string{"host", "app"}}},
	)
}

// BenchmarkDedupUnique is the price of messages that are never repeated.
func BenchmarkDedupUnique(b *testing.B) {
	p := pipe(b, Config{Dedup: &DedupConfig{}})
	b.ReportAllocs()
	text := []byte("<13>Oct 11 22:14:15 h app: message number 00000000 of many, each of them different from all others")
	for i := 0; b.Loop(); i++ {
		for j, n := len("<13>Oct 11 22:14:15 h app: message number 0000000"), i; j > 43; j, n = j-1, n/10 {
			text[j] = '0' + byte(n%10)
		}
		p.Apply(start, []syslog.Message{line(string(text))})
	}
}
