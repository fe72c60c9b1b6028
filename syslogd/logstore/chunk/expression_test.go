package chunk

import (
	"math/rand/v2"
	"net/netip"
	"regexp"
	"testing"
	"time"

	"rondo/syslogd/logstore/logtest"
	"rondo/syslogd/syslog"
)

// typeOf is the type of a line with a text.
func typeOf(text string) *Type {
	b := NewBuilder(NewTypes())
	b.Add(&syslog.Message{Raw: text, Text: text, Received: start})
	return b.Rows().Types[0]
}

func TestCanMatch(t *testing.T) {
	for _, x := range []struct {
		text, expression string
		want             bool
	}{
		{"user 4711 logged in", `[a-f]{6}[0-9]{6}`, false},
		{"user 4711 logged in", `user [0-9]+ LOGGED`, true}, // of a type the case is not known
		{"user 4711 logged in", `user [a-z]+ logged`, false},
		{"user 4711 logged in", `^logged`, true}, // conditions count as met
		{"user 4711 logged in", `r \d*7\d* l`, true},
		{"user 4711 logged in", `r \d+- l`, false},
		{"user 4711 logged in", `(?i)USER 1+ `, true},
		{"user 4711 logged in", ``, true},
		{"user 4711 logged in", `in.`, false},
		{"id a9f1xyz", `[a-f]{6}[0-9]{6}`, true},
		{"id a9f1xyz", `[x-z]{2}$`, true},
		{"id a9f1xyz", `id -`, false},
		{"größe 12", `gr.{2}e \d`, true},
		{"größe 12", `gr[a-z]+e`, false},
		{"größe 12", `gr.+e-`, false},
		{"at 12.5", `at \d{3}-`, false},
		{"warm at 12k", `(?i)\d\x{212a}`, true},
	} {
		if got := typeOf(x.text).CanMatch(NewExpression(x.expression)); got != x.want {
			t.Errorf("%q, /%s/: %v", x.text, x.expression, got)
		}
	}
	for _, wrong := range []string{`(`, `(a{30}b{30}){20}`} {
		if NewExpression(wrong) != nil {
			t.Errorf("/%s/ is taken", wrong)
		}
	}
}

// TestCanMatchOfAll asks the types of strange lines about expressions that
// match the lines.
func TestCanMatchOfAll(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	pieces := []string{`.`, `\w+`, `\W`, `[a-f]{2}[0-9]`, `\d{3,}`, `[0-9a-f]{6}`, `[^ -~]`, `\b\w`, `(?i)[k-s]{2}`, ` \S+ \S`, `[A-Z]{2}`, `(a|b|c)+1`, `\s$`, `:\d\d`}
	matches := 0
	for range 3000 {
		m := syslog.Parse(logtest.Line(r), time.Unix(1795000000, 0), netip.Addr{})
		if m.Time.Before(MinTime) || m.Time.After(MaxTime) {
			m.Time = time.Time{}
		}
		b := NewBuilder(NewTypes())
		b.Add(&m)
		for range 10 {
			src := pieces[r.IntN(len(pieces))]
			for r.IntN(2) == 0 {
				src += pieces[r.IntN(len(pieces))]
			}
			if len(m.Text) > 0 && r.IntN(3) == 0 {
				at := r.IntN(len(m.Text))
				src = regexp.QuoteMeta(m.Text[at:min(len(m.Text), at+1+r.IntN(9))]) + src
			}
			re, err := regexp.Compile(src)
			if err != nil || !re.MatchString(m.Text) {
				continue
			}
			matches++
			if typ := b.Rows().Types[0]; !typ.CanMatch(NewExpression(src)) {
				t.Fatalf("type %q cannot match /%s/ of %q", typ.key, src, m.Text)
			}
		}
	}
	if matches < 1000 {
		t.Errorf("only %d matched", matches)
	}
}
