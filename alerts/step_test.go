package alerts

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"rondo/rrd"
)

var epoch = time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)

// TestStep runs the text tables; see testdata/step.test for their form.
func TestStep(t *testing.T) {
	text, err := os.ReadFile("testdata/step.test")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(text), "\n== ")
	for _, block := range blocks[1:] {
		name, body, _ := strings.Cut(block, "\n")
		t.Run(name, func(t *testing.T) { runTable(t, body) })
	}
}

func runTable(t *testing.T, body string) {
	var p Policy
	var s State
	for line := range strings.Lines(body) {
		line, _, _ = strings.Cut(line, "#")
		switch f := strings.Fields(line); {
		case len(f) == 0:
		case f[0] == "policy":
			p = parsePolicy(t, f[1:])
		default:
			left, want, _ := strings.Cut(line, "->")
			in := strings.Fields(left)
			var tr *Transition
			s, tr = Step(p, s, parseReading(t, in[1]), epoch.Add(duration(t, in[0])))
			want = strings.Join(strings.Fields(want), " ")
			if got := describe(p, s, tr); got != want {
				t.Errorf("%s: got %q, want %q", strings.TrimSpace(left), got, want)
			}
		}
	}
}

// times reads for/clear_for.
func times(t *testing.T, s string) *Times {
	raise, end, _ := strings.Cut(s, "/")
	return &Times{duration(t, raise), duration(t, end)}
}

func describe(p Policy, s State, tr *Transition) string {
	out := s.Status.String()
	if s.Soft() {
		out += fmt.Sprintf(" soft %d/%d", s.Attempts, p.attempts())
	}
	if tr != nil {
		out += fmt.Sprintf(" ; %v>%v", tr.From, tr.To)
		if tr.Flap != "" {
			out += " flap " + string(tr.Flap)
		}
	}
	return out
}

func parsePolicy(t *testing.T, words []string) Policy {
	p := Policy{Rule: "r"}
	for _, w := range words {
		k, v, _ := strings.Cut(w, "=")
		switch k {
		case "below":
			p.Below = true
		case "warning":
			p.Warning = threshold(t, v)
		case "critical":
			p.Critical = threshold(t, v)
		case "for":
			p.For = duration(t, v)
		case "warning_times":
			p.WarningTimes = times(t, v)
		case "critical_times":
			p.CriticalTimes = times(t, v)
		case "clear_for":
			p.ClearFor = duration(t, v)
		case "missing_for":
			p.MissingFor = duration(t, v)
		case "attempts":
			p.MaxAttempts = int(num(t, v))
		case "direct":
			p.Direct = true
		case "of":
			if err := p.Of.UnmarshalText([]byte(v)); err != nil {
				t.Fatal(err)
			}
		case "flap":
			low, high, _ := strings.Cut(v, ":")
			p.Flap = Flap{num(t, low), num(t, high)}
		case "interval":
			p.Interval = duration(t, v)
		case "retry":
			p.Retry = duration(t, v)
		case "gap":
			p.Gap = duration(t, v)
		case "missing":
			if err := p.Missing.UnmarshalText([]byte(v)); err != nil {
				t.Fatal(err)
			}
		default:
			t.Fatalf("policy word %q", w)
		}
	}
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	return p
}

func threshold(t *testing.T, s string) *Threshold {
	raise, clear, two := strings.Cut(s, ":")
	if !two {
		clear = raise
	}
	return &Threshold{Raise: num(t, raise), Clear: num(t, clear)}
}

func parseReading(t *testing.T, s string) Reading {
	if s == "missing" {
		return Reading{Missing: true}
	}
	var found Status
	if found.UnmarshalText([]byte(s)) == nil {
		return Reading{Value: math.NaN(), Status: found}
	}
	return Reading{Value: num(t, s)}
}

func num(t *testing.T, s string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func duration(t *testing.T, s string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func drawPolicy(t *rapid.T) Policy {
	p := Policy{
		Rule:        "r",
		Below:       rapid.Bool().Draw(t, "below"),
		MaxAttempts: rapid.IntRange(0, 4).Draw(t, "attempts"),
		Missing:     Missing(rapid.IntRange(0, 3).Draw(t, "missing")),
		For:         time.Duration(rapid.IntRange(0, 5).Draw(t, "for")) * time.Second,
		ClearFor:    time.Duration(rapid.IntRange(0, 5).Draw(t, "clear_for")) * time.Second,
		MissingFor:  time.Duration(rapid.IntRange(0, 5).Draw(t, "missing_for")) * time.Second,
	}
	if rapid.Bool().Draw(t, "of") {
		n := rapid.IntRange(1, 5).Draw(t, "n")
		p.Of, p.MaxAttempts = Of{rapid.IntRange(1, n).Draw(t, "m"), n}, 0
	} else {
		p.Retry = time.Duration(rapid.IntRange(0, 3).Draw(t, "retry")) * time.Second
	}
	if rapid.Bool().Draw(t, "flap") {
		p.Flap = Flap{5, 20}
	}
	p.Interval = time.Duration(rapid.IntRange(0, 2).Draw(t, "interval")) * time.Second
	p.Gap = time.Duration(rapid.IntRange(0, 1).Draw(t, "gap")) * time.Minute
	sign := 1.0
	if p.Below {
		sign = -1
	}
	levels := rapid.SampledFrom([]string{"w", "c", "wc"}).Draw(t, "levels")
	gap := float64(rapid.IntRange(0, 3).Draw(t, "between"))
	if strings.Contains(levels, "w") {
		p.Warning = &Threshold{sign * 4, sign * (4 - gap)}
	}
	if strings.Contains(levels, "c") {
		p.Critical = &Threshold{sign * 7, sign * (7 - gap)}
	}
	return p
}

func drawReading(t *rapid.T, ls rrd.Labels) Reading {
	return Reading{
		Labels: ls, Missing: rapid.IntRange(0, 5).Draw(t, "gone") == 0,
		Value: float64(rapid.IntRange(-9, 9).Draw(t, "value")),
	}
}

// TestStepLaws holds any history of readings against what DESIGN promises.
func TestStepLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPolicy(t)
		if err := p.Validate(); err != nil {
			t.Fatal(err)
		}
		ls := rrd.Labels{{Name: "host", Value: "a"}}
		var s State
		now, told, bad, ids := epoch, OK, 0, map[string]bool{}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "wait")) * time.Second)
			if rapid.IntRange(0, 19).Draw(t, "steps") == 0 {
				now = now.Add(rapid.SampledFrom([]time.Duration{-time.Hour, time.Hour}).Draw(t, "by"))
			}
			r := drawReading(t, ls)
			next, tr := Step(p, s, r, now)
			again, tr2 := Step(p, s, r, now)
			if d := cmp.Diff(next, again) + cmp.Diff(tr, tr2); d != "" {
				t.Fatalf("not pure: %s", d)
			}
			v := p.judge(r)
			switch worst := max(v[0], v[1], v[2]); worst {
			case beyond:
				bad++
			case cleared:
				bad = 0
			}
			checkInvariants(t, p, next)
			if flaps := next.Flapping.Active != s.Flapping.Active; (tr != nil) != (next.Hard != s.Hard || flaps) || tr != nil && (tr.Flap != "") != flaps {
				t.Fatalf("transition %v, hard %v -> %v, flaps: %v", tr, s.Hard, next.Hard, flaps)
			}
			if tr != nil {
				checkTransition(t, tr, told, ids)
				if tr.From == OK && tr.To != OK && p.Of == (Of{}) && bad < p.attempts() {
					t.Fatalf("hard after %d bad readings in a row, want %d", bad, p.attempts())
				}
				told = tr.To
			}
			s = next
		}
	})
}

func checkInvariants(t *rapid.T, p Policy, s State) {
	switch {
	case s.Soft() && s.Hard != OK:
		t.Fatalf("soft %v beside hard %v", s.Status, s.Hard)
	case s.Attempts > p.attempts():
		t.Fatalf("%d attempts of %d", s.Attempts, p.attempts())
	case (s.Status == OK) != s.Start.IsZero():
		t.Fatalf("status %v, episode began %v", s.Status, s.Start)
	case s.Status == OK && s.Attempts != 0:
		t.Fatalf("ok with %d attempts", s.Attempts)
	}
}

func checkTransition(t *rapid.T, tr *Transition, told Status, ids map[string]bool) {
	switch {
	case tr.From != told:
		t.Fatalf("told %v, now from %v", told, tr.From)
	case tr.From == tr.To && tr.Flap == "":
		t.Fatalf("from %v to itself", tr.From)
	case ids[tr.ID]:
		t.Fatalf("ID %s twice", tr.ID)
	case tr.Since.IsZero() || tr.At.Before(tr.Since):
		t.Fatalf("episode %v, hard %v", tr.Since, tr.At)
	}
	ids[tr.ID] = true
}

// TestStepHysteresis: with clear_for zero, a hard critical lasts exactly until
// a value is back at the clear threshold.
func TestStepHysteresis(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Policy{Critical: &Threshold{Raise: 7, Clear: 3}}
		var s State
		hard := false
		for i := range 50 {
			v := float64(rapid.IntRange(0, 10).Draw(t, "value"))
			if v > 7 {
				hard = true
			} else if v <= 3 {
				hard = false
			}
			if s, _ = Step(p, s, Reading{Value: v}, epoch.Add(time.Duration(i)*time.Second)); (s.Hard == Critical) != hard {
				t.Fatalf("value %v: hard %v, want %v", v, s.Hard, hard)
			}
		}
	})
}

func TestEnd(t *testing.T) {
	p := Policy{Rule: "r", Critical: &Threshold{5, 5}, MaxAttempts: 2}
	s, _ := Step(p, State{}, Reading{Value: 9}, epoch)
	if s, tr := End(p, s, Reading{}, epoch); tr != nil || s.Status != OK {
		t.Errorf("ending a soft problem told %v, left %v", tr, s.Status)
	}
	s, _ = Step(p, s, Reading{Value: 9}, epoch)
	s, tr := End(p, s, Reading{Text: "gone"}, epoch.Add(time.Second))
	if tr == nil || tr.To != OK || tr.Text != "gone" || s.Hard != OK {
		t.Errorf("ending a hard problem told %v, left %v", tr, s.Hard)
	}
}

func TestPolicyValidate(t *testing.T) {
	f := func(p Policy, want string) {
		t.Helper()
		err := p.Validate()
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	f(Policy{Critical: &Threshold{1, 1}}, "")
	f(Policy{}, "no threshold")
	f(Policy{Critical: &Threshold{1, 2}}, "clear (2) must not be above raise (1)")
	f(Policy{Below: true, Critical: &Threshold{2, 1}}, "clear (1) must not be below raise (2)")
	f(Policy{Warning: &Threshold{9, 9}, Critical: &Threshold{5, 5}}, "critical (5) must lie beyond warning (9)")
	f(Policy{Critical: &Threshold{math.NaN(), 1}}, "not a number")
	f(Policy{Critical: &Threshold{1, 1}, For: -1}, "negative")
	f(Policy{Critical: &Threshold{1, 1}, CriticalTimes: &Times{ClearFor: -1}}, "of a level must not be negative")
	f(Policy{Critical: &Threshold{1, 1}, MaxAttempts: -1}, "max_attempts")
}

func BenchmarkStep(b *testing.B) {
	p := Policy{Rule: "r", Warning: &Threshold{5, 4}, Critical: &Threshold{9, 8}, MaxAttempts: 3}
	var s State
	b.ReportAllocs()
	for b.Loop() {
		s, _ = Step(p, s, Reading{Value: 6}, epoch)
	}
}

// TestDirect: a status that a check brings along is taken as it is.
func TestDirect(t *testing.T) {
	p := Policy{Rule: "plugin", Direct: true, MaxAttempts: 2}
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	var s State
	var got []string
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i, found := range []Status{OK, Warning, Critical, Critical, Warning, Unknown, OK} {
		var tr *Transition
		s, tr = Step(p, s, Reading{Value: math.NaN(), Status: found}, now.Add(time.Duration(i)*time.Minute))
		if tr != nil {
			got = append(got, fmt.Sprintf("%d %s to %s", i, tr.From, tr.To))
		}
	}
	want := []string{"2 ok to critical", "4 critical to warning", "5 warning to unknown", "6 unknown to ok"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	p.Critical = &Threshold{Raise: 1}
	if p.Validate() == nil {
		t.Error("thresholds beside a status of its own are accepted")
	}
}
