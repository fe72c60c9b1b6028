package macro

import (
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"rondo/syslogd/syslog"
)

func message() syslog.Message {
	return syslog.Parse(`<35>1 2026-10-11T22:04:05.003456+02:00 web-1 su 77 ID47 [a@1 k="v\"]"][b.c d.e="f"] 'su root'`+"\nfailed\x7f\ton",
		time.Date(2026, 10, 12, 1, 2, 3, 4e6, time.UTC), netip.MustParseAddr("10.0.0.7"))
}

func TestMacros(t *testing.T) {
	full := message()
	bare := syslog.Parse("hello", full.Received, full.Sender)
	local := syslog.Parse("", full.Received, netip.Addr{})
	for template, want := range map[string][3]string{
		"$HOST ${SENDER} ${SOURCEIP}":                   {"web-1 10.0.0.7 10.0.0.7", "10.0.0.7 10.0.0.7 10.0.0.7", "localhost  "},
		"${APP} ${PROGRAM:-none} ${PID:-0} ${MSGID:--}": {"su su 77 ID47", " none 0 -", " none 0 -"},
		"$FACILITY $FACILITY_NUM $SEVERITY $LEVEL_NUM":  {"auth 4 err 3", "user 1 notice 5", "user 1 notice 5"},
		"$LEVEL $PRIORITY $PRI ${SEVERITY_NUM}":         {"err err 35 3", "notice notice 13 5", "notice notice 13 5"},
		"${MSGHDR}${TEXT}":                              {"su[77]: 'su root'\nfailed\x7f\ton", "hello", ""},
		"${MSG:-nothing}":                               {"'su root'\nfailed\x7f\ton", "hello", "nothing"},
		"${sd.k} ${.sd.a@1.k} ${.SDATA.b.c.d.e:-x}":     {`v"] v"] f`, "  x", "  x"},
		"${SDATA}":                {`[a@1 k="v\"]"][b.c d.e="f"]`, "", ""},
		"${ISODATE} ${R_ISODATE}": {"2026-10-11T20:04:05.003456Z 2026-10-12T01:02:03.004000Z", "2026-10-12T01:02:03.004000Z 2026-10-12T01:02:03.004000Z", "2026-10-12T01:02:03.004000Z 2026-10-12T01:02:03.004000Z"},
		"$YEAR-$MONTH-$DAY $HOUR:$MIN:$SEC.$MSEC $USEC": {"2026-10-11 20:04:05.003 003456", "2026-10-12 01:02:03.004 004000", "2026-10-12 01:02:03.004 004000"},
		"$S_DATE, $FULLDATE, $WEEK_DAY_ABBREV":          {"Oct 11 20:04:05, 2026 Oct 11 20:04:05, Sun", "Oct 12 01:02:03, 2026 Oct 12 01:02:03, Mon", "Oct 12 01:02:03, 2026 Oct 12 01:02:03, Mon"},
		"$UNIXTIME $YEAR_DAY $ISOWEEK $TZ $TZOFFSET":    {"1791749045 284 41 UTC +00:00", "1791766923 285 42 UTC +00:00", "1791766923 285 42 UTC +00:00"},
		`$$ \\ \t|`:  {"$ \\ \t|", "$ \\ \t|", "$ \\ \t|"},
		"${RAWMSG}":  {full.Raw, "hello", ""},
		"${RFC3164}": {"<35>Oct 11 20:04:05 web-1 su[77]: 'su root'\nfailed\x7f\ton", "<13>Oct 12 01:02:03 10.0.0.7 hello", "<13>Oct 12 01:02:03 localhost "},
	} {
		p, err := Parse(Source(template), Options{})
		if err != nil {
			t.Errorf("%s: %v", template, err)
			continue
		}
		for i, m := range []*syslog.Message{&full, &bare, &local} {
			if got := string(p.Append(nil, m)); got != want[i] {
				t.Errorf("%s\n got %q\nwant %q", template, got, want[i])
			}
		}
	}
}

func TestZone(t *testing.T) {
	m := message()
	p, err := Parse("$DATE $TZOFFSET $R_HOUR", Options{Zone: time.FixedZone("CEST", 7200)})
	if err != nil {
		t.Fatal(err)
	}
	if got := string(p.Append(nil, &m)); got != "Oct 11 22:04:05 +02:00 03" {
		t.Error(got)
	}
}

func TestLine(t *testing.T) {
	m := message()
	for template, want := range map[Source]string{
		`${TEXT}\n`:    "'su root'#012failed#177\ton\n",
		`${RFC3164}\n`: "<35>Oct 11 20:04:05 web-1 su[77]: 'su root'#012failed#177\ton\n",
		`${PID}`:       "77",
	} {
		p, err := Parse(template, Options{Use: Line})
		if err != nil {
			t.Fatal(err)
		}
		if got := string(p.Append([]byte("x\n"), &m)); got != "x\n"+want {
			t.Errorf("%s: %q, want %q", template, got, want)
		}
	}
}

func TestErrors(t *testing.T) {
	for template, want := range map[string]string{
		"${HOTS}":      "macro: character 1: unknown macro ${HOTS}; did you mean ${HOST}?",
		"ab $R_ISODAT": "macro: character 4: unknown macro ${R_ISODAT}; did you mean ${R_ISODATE}?",
		"${R_HOST}":    "macro: character 1: unknown macro ${R_HOST}; did you mean ${R_HOUR}?",
		"${programme}": "macro: character 1: unknown macro ${programme}; did you mean ${PROGRAM}?",
		"${sd.}":       "macro: character 1: unknown macro ${sd.}; did you mean ${sd.KEY}?",
		"a ${HOST":     "macro: character 3: ${ without }",
		"cost: 5$":     "macro: character 8: want the name of a macro behind $, or $$ for a dollar",
		`C:\windows`:   `macro: character 3: \: want \n, \t, \r or \\`,
		`\`:            `macro: character 1: \: want \n, \t, \r or \\`,
	} {
		if _, err := Parse(Source(template), Options{}); err == nil || err.Error() != want {
			t.Errorf("%s: %v\nwant %s", template, err, want)
		}
	}
	for _, template := range []Source{
		"", "/abs/${HOST}", "../${HOST}", "a/../${HOST}", "a//${HOST}", "${HOST}/", "./${HOST}", "..", "${HOST:-a/b}",
		Source(strings.Repeat("x", 201)), Source(strings.Repeat("$HOST", 13)), Source(strings.Repeat("a/", 16) + "$HOST"),
	} {
		if p, err := Parse(template, Options{Use: Path}); err == nil {
			t.Errorf("%q is taken: %q", template, p)
		}
	}
}

func TestPath(t *testing.T) {
	for host, want := range map[string]string{
		"web-1":                     "web-1/x.web-1.log",
		"":                          "localhost/x.localhost.log",
		".":                         "_/x...log",
		"..":                        "_./x....log",
		"../../etc/passwd":          "_._.._etc_passwd/x..._.._etc_passwd.log",
		"-rf":                       "_rf/x.-rf.log",
		"a/b\x00c\nd\x1b[e$(f) `g`": "a_b_c_d__e__f___g_/x.a_b_c_d__e__f___g_.log",
		"bücher\xff\xc3":            "bücher__/x.bücher__.log",
		"fe80::1":                   "fe80::1/x.fe80::1.log",
		strings.Repeat("ü", 100):    strings.Repeat("ü", 64) + "/x." + strings.Repeat("ü", 64) + ".log",
	} {
		p, err := Parse("${HOST}/x.${HOST}.log", Options{Use: Path})
		if err != nil {
			t.Fatal(err)
		}
		if got := string(p.Append([]byte("before/"), &syslog.Message{Host: host})); got != "before/"+want {
			t.Errorf("%q: %q, want %q", host, got, want)
		}
	}
}

func TestSplit(t *testing.T) {
	for text, want := range map[Source][2]string{
		"/var/log/${HOST}/${APP}.log": {"/var/log/", "${HOST}/${APP}.log"},
		"/var/log/web-${HOST}.log":    {"/var/log/", "web-${HOST}.log"},
		"/var/log/all.log":            {"/var/log/", "all.log"},
		"$YEAR/x":                     {"", "$YEAR/x"},
		"logs/$YEAR/x":                {"logs/", "$YEAR/x"},
	} {
		if dir, rest := Split(text); dir != want[0] || string(rest) != want[1] {
			t.Errorf("%s: %q %q", text, dir, rest)
		}
	}
}

// anyMessage draws a message whose fields are hostile.
func anyMessage(t *rapid.T) syslog.Message {
	word := rapid.OneOf(rapid.SampledFrom([]string{"", ".", "..", "../..", "/", "/etc/passwd", "a\x00b", "\xff", "..\\", "%2e%2e", "~"}), rapid.String())
	draw := func(name string) string { return word.Draw(t, name) }
	return syslog.Message{Host: draw("host"), App: draw("app"), PID: draw("pid"), MsgID: draw("msgid"), Text: draw("text"), Raw: draw("raw"), SD: draw("sd")}
}

// TestPathStaysInside: whatever a message says, its path is one below the
// directory, and a name that every file system takes.
func TestPathStaysInside(t *testing.T) {
	words := rapid.SampledFrom([]string{"$HOST", "${APP}", "${APP:-..}", "$TEXT", "${PID:-.}", "$SDATA", "$RAWMSG", "$JSON", ".", "..", "/", "x", "-", "$YEAR"})
	rapid.Check(t, func(t *rapid.T) {
		template := Source(strings.Join(rapid.SliceOfN(words, 1, 12).Draw(t, "template"), ""))
		p, err := Parse(template, Options{Use: Path})
		if err != nil {
			t.Skip(err)
		}
		m := anyMessage(t)
		checkPath(t, p, p.Append(nil, &m))
	})
}

func checkPath(t interface{ Fatalf(string, ...any) }, p *Template, got []byte) {
	s := string(got)
	if !filepath.IsLocal(s) || filepath.Clean(s) != s || !utf8.ValidString(s) || len(s) > p.Longest() {
		t.Fatalf("%q: %q", p, s)
	}
	if strings.Count(s, "/") != strings.Count(p.String(), "/") {
		t.Fatalf("%q: %q has other elements", p, s)
	}
	for e := range strings.SplitSeq(s, "/") {
		if len(e) > maxElement || strings.ContainsFunc(e, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			t.Fatalf("%q: %q", p, s)
		}
	}
}

func FuzzPath(f *testing.F) {
	for _, host := range []string{"..", "a/b", "\x00", "\xff\xff", strings.Repeat("x", 300)} {
		f.Add("${HOST}/${APP}.$PID", host, ".", "..")
	}
	f.Fuzz(func(t *testing.T, template, host, app, pid string) {
		p, err := Parse(Source(template), Options{Use: Path})
		if err != nil {
			return
		}
		got := p.Append(nil, &syslog.Message{Host: host, App: app, PID: pid})
		if s := string(got); !filepath.IsLocal(s) || strings.ContainsRune(s[:min(len(s), 1)], '/') {
			t.Fatalf("%q: %q", template, s)
		}
	})
}

func FuzzLine(f *testing.F) {
	f.Add(`${ISODATE} ${HOST} ${APP}[${PID}]: ${TEXT}`, "<13>a: b\nc")
	f.Fuzz(func(t *testing.T, template, line string) {
		p, err := Parse(Source(template), Options{Use: Line})
		if err != nil || strings.ContainsAny(template, "\\\n\r") {
			return
		}
		m := syslog.Parse(line, time.Unix(1e9, 0), netip.Addr{})
		if got := string(p.Append(nil, &m)); strings.ContainsAny(got, "\n\r") {
			t.Fatalf("%q: %q", template, got)
		}
	})
}

func TestAppendAllocatesNothing(t *testing.T) {
	m := message()
	for _, use := range []Use{Text, Line, Path} {
		p, err := Parse("${ISODATE} ${HOST} ${SENDER} ${sd.k} ${APP:-x}[${PID}]: ${TEXT} $JSON", Options{Use: use})
		if err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 0, 4096)
		if n := testing.AllocsPerRun(100, func() { buf = p.Append(buf[:0], &m) }); n != 0 {
			t.Errorf("use %d: %v allocations", use, n)
		}
	}
}

func benchmark(b *testing.B, template Source, o Options) {
	m := message()
	p, err := Parse(template, o)
	if err != nil {
		b.Fatal(err)
	}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = p.Append(buf[:0], &m)
	}
}

func BenchmarkLine(b *testing.B) {
	benchmark(b, `${ISODATE} ${HOST} ${APP}[${PID}]: ${TEXT}\n`, Options{Use: Line})
}

func BenchmarkPath(b *testing.B) {
	benchmark(b, `${HOST}/${YEAR}-${MONTH}-${DAY}/${APP}.log`, Options{Use: Path})
}
