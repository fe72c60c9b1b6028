package syslog

import (
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

// TestCases runs testdata/*.txt. A case is a paragraph: a name, comments that
// say why, a line "<- " with the bytes as a Go string, and what describe says.
// A paragraph "@ TIME ZONE" sets when those that follow are received; one that
// begins with "//" is a comment. Names are unique in their file.
func TestCases(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) { runCases(t, file) })
	}
}

func runCases(t *testing.T, file string) {
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	at := received()
	names := map[string]bool{}
	for paragraph := range strings.SplitSeq(strings.TrimSpace(string(data)), "\n\n") {
		head, rest, isCase := strings.Cut(paragraph, "<- ")
		if stamp, ok := strings.CutPrefix(paragraph, "@ "); ok {
			at = parseReceived(t, stamp)
		}
		if !isCase {
			out = append(out, paragraph)
			continue
		}
		name, _, _ := strings.Cut(head, "\n")
		t.Run(name, func(t *testing.T) {
			input, want, _ := strings.Cut(rest, "\n")
			line, err := strconv.Unquote(input)
			if err != nil || names[name] {
				t.Fatalf("%s: %v, or the name is there twice", input, err)
			}
			names[name] = true
			got := strings.TrimRight(describe(Parse(line, at, netip.Addr{})), "\n")
			if d := cmp.Diff(want, got); d != "" && !*update {
				t.Errorf("%s\n%s", input, d)
			}
			out = append(out, head+"<- "+input+"\n"+got)
		})
	}
	if *update {
		if err := os.WriteFile(file, []byte(strings.Join(out, "\n\n")+"\n"), 0o644); err != nil {
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
		data, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		for s := range strings.Lines(string(data)) {
			if quoted, ok := strings.CutPrefix(s, "<- "); ok {
				if line, err := strconv.Unquote(strings.TrimSpace(quoted)); err == nil {
					lines = append(lines, line)
				}
			}
		}
	}
	return lines
}

// BenchmarkParseCases is the mean of all lines of the case files.
func BenchmarkParseCases(b *testing.B) {
	lines, n, at := seeds(b), 0, received()
	b.ReportAllocs()
	for b.Loop() {
		if m := Parse(lines[n%len(lines)], at, netip.Addr{}); m.Raw == "\xff" {
			b.Fatal("not there")
		}
		n++
	}
}
