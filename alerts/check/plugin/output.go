package plugin

import (
	"strings"
	"unicode"
)

// MaxOutput bounds what is kept of a plugin's output, in bytes.
const MaxOutput = 64 << 10

// An Output is what a plugin prints.
type Output struct {
	Text string // the first line, for people
	Long string // further lines
	Perf []Perf
	Bad  int // words among the performance values that are none
}

// Parse reads an output. It never fails: whatever a program printed is text
// for people.
func Parse(raw string) Output {
	if len(raw) > MaxOutput {
		raw = raw[:MaxOutput]
	}
	raw = strings.Map(printable, strings.ToValidUTF8(raw, "?"))
	first, rest, _ := strings.Cut(strings.TrimLeft(raw, "\n"), "\n")
	text, perf, _ := strings.Cut(first, "|")
	long, more, _ := strings.Cut(rest, "|")
	out := Output{Text: strings.TrimSpace(text), Long: strings.TrimSpace(long)}
	out.Perf, out.Bad = parsePerfs(perf + "\n" + more)
	return out
}

// printable keeps control characters from terminals and log files.
func printable(r rune) rune {
	switch {
	case r == '\n' || r == '\t':
		return r
	case r == '\r':
		return -1
	case unicode.IsControl(r):
		return '?'
	}
	return r
}

// String writes an output as a plugin prints it, all performance values on
// its first line.
func (o Output) String() string {
	var b strings.Builder
	b.WriteString(strings.ReplaceAll(o.Text, "|", "/"))
	for i, p := range o.Perf {
		b.WriteString([]string{"|", " "}[min(i, 1)])
		b.WriteString(p.String())
	}
	if o.Long != "" {
		b.WriteString("\n" + strings.ReplaceAll(o.Long, "|", "/"))
	}
	return b.String()
}
