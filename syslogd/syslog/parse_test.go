package syslog

import (
	"bufio"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the expectations of testdata/*.txt")

// describe writes what Parse made of a line, one field a line, without those
// that are empty.
func describe(m Message) string {
	var b strings.Builder
	field := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "  %s %s\n", name, strconv.QuoteToGraphic(value))
		}
	}
	fmt.Fprintf(&b, "  %s", [...]string{"raw", "rfc3164", "rfc5424"}[m.Format])
	if m.HasPRI {
		fmt.Fprintf(&b, " %s.%s", m.Facility, m.Severity)
	}
	if !m.Time.IsZero() {
		fmt.Fprintf(&b, " %s", m.Time.Format(time.RFC3339Nano))
	}
	b.WriteByte('\n')
	field("host", m.Host)
	field("app", m.App)
	field("pid", m.PID)
	field("msgid", m.MsgID)
	field("sd", m.SD)
	field("text", m.Text)
	return b.String()
}

// TestCases runs testdata/*.txt. A case is a name, a line "<-" with the bytes
// as a Go string, and what describe says. "@" sets when it is received.
func TestCases(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) { runCases(t, file) })
	}
}

func runCases(t *testing.T, file string) {
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	received := time.Date(2026, 10, 12, 0, 0, 0, 0, time.UTC)
	for paragraph := range strings.SplitSeq(strings.TrimSpace(string(data)), "\n\n") {
		name, rest, _ := strings.Cut(strings.TrimSpace(paragraph), "\n")
		if stamp, ok := strings.CutPrefix(name, "@ "); ok {
			received = parseReceived(t, stamp)
		}
		input, want, ok := strings.Cut(rest, "\n")
		if strings.HasPrefix(name, "@") || strings.HasPrefix(name, "//") || !ok && !strings.HasPrefix(input, "<- ") {
			out.WriteString(strings.TrimSpace(paragraph) + "\n\n")
			continue
		}
		line, err := strconv.Unquote(strings.TrimPrefix(input, "<- "))
		if err != nil {
			t.Fatalf("%s: %s: %v", name, input, err)
		}
		got := describe(Parse(line, received, netip.Addr{}))
		if d := cmp.Diff(strings.TrimRight(want, "\n"), strings.TrimRight(got, "\n")); d != "" && !*update {
			t.Errorf("%s\n%s\n%s", name, input, d)
		}
		out.WriteString(name + "\n" + input + "\n" + got + "\n")
	}
	if *update {
		if err := os.WriteFile(file, []byte(strings.TrimSpace(out.String())+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func parseReceived(t *testing.T, s string) time.Time {
	t.Helper()
	stamp, zone, _ := strings.Cut(s, " ")
	loc, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	at, err := time.ParseInLocation("2006-01-02T15:04:05", stamp, loc)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// seeds are the inputs of the case files, for fuzzing.
func seeds(tb testing.TB) []string {
	tb.Helper()
	files, _ := filepath.Glob("testdata/*.txt")
	var lines []string
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			tb.Fatal(err)
		}
		for s := bufio.NewScanner(f); s.Scan(); {
			if quoted, ok := strings.CutPrefix(s.Text(), "<- "); ok {
				if line, err := strconv.Unquote(quoted); err == nil {
					lines = append(lines, line)
				}
			}
		}
		f.Close()
	}
	return lines
}
