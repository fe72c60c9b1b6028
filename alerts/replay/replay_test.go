package replay

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rondo/alerts"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// series is a rule that reads one value a minute for each host; - is none, x an
// error.
type series map[string]string

func (s series) ID() string { return "load" }

func (s series) Check(_ context.Context, now time.Time) (out []alerts.Reading, err error) {
	i := int(now.Sub(noon) / time.Minute)
	for host, values := range s {
		f := strings.Fields(values)
		if i >= len(f) || f[i] == "-" {
			continue
		}
		if f[i] == "x" {
			return nil, errors.New("the store is closed")
		}
		var v float64
		if _, err := fmt.Sscan(f[i], &v); err != nil {
			return nil, err
		}
		out = append(out, alerts.Reading{Labels: alerts.NewLabels(map[string]string{"host": host}), Value: v, At: now})
	}
	return out, nil
}

func run(t *testing.T, s series, p alerts.Policy, minutes int) Result {
	t.Helper()
	r, err := Run(t.Context(), alerts.Supervised{Rule: s, Policy: p}, noon, noon.Add(time.Duration(minutes)*time.Minute), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func told(r Result) (out []string) {
	for _, tr := range r.Transitions {
		out = append(out, fmt.Sprintf("%s %s %s>%s", tr.At.Format("15:04"), tr.Labels.Get("host"), tr.From, tr.To))
	}
	return out
}

func TestRun(t *testing.T) {
	t.Parallel()
	p := alerts.Policy{Critical: &alerts.Threshold{Raise: 5, Clear: 3}, MaxAttempts: 2, Missing: alerts.MissingKeep}
	r := run(t, series{
		"a": "1 6 6 4 4 2 6 1 1 1 1",
		"b": "1 9 1 9 9 - - - 1 1 1",
	}, p, 10)
	want := []string{"12:02 a ok>critical", "12:04 b ok>critical", "12:05 a critical>ok", "12:08 b critical>ok"}
	if d := cmp.Diff(want, told(r)); d != "" {
		t.Error(d)
	}
	if r.Checks != 11 || r.Problems != 2 || r.Soft != 2 || r.Failed != 0 {
		t.Errorf("%+v", r)
	}
	if d := cmp.Diff([]string{`{host="b"} 240 1`, `{host="a"} 180 1`}, []string{
		fmt.Sprint(r.States[0].Name, " ", r.States[0].Critical, " ", r.States[0].Told-1),
		fmt.Sprint(r.States[1].Name, " ", r.States[1].Critical, " ", r.States[1].Told-1),
	}); d != "" {
		t.Error(d)
	}
}

// TestErrors: a check that fails is unknown, and counted.
func TestErrors(t *testing.T) {
	t.Parallel()
	p := alerts.Policy{Critical: &alerts.Threshold{Raise: 5, Clear: 5}}
	r := run(t, series{"a": "1 x x 1"}, p, 3)
	if d := cmp.Diff([]string{"12:01 a ok>unknown", "12:03 a unknown>ok"}, told(r)); d != "" {
		t.Error(d)
	}
	if r.Failed != 2 || r.Error != "the store is closed" {
		t.Errorf("%+v", r)
	}
}

func TestBounds(t *testing.T) {
	t.Parallel()
	for _, step := range []time.Duration{0, time.Millisecond, time.Second} {
		if _, err := Run(t.Context(), alerts.Supervised{Rule: series{}}, noon, noon.Add(10000*time.Hour), step); err == nil {
			t.Errorf("step %v is taken", step)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, alerts.Supervised{Rule: series{}}, noon, noon.Add(time.Hour), time.Minute); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// BenchmarkYear is a year of a rule with one label set, every ten minutes.
func BenchmarkYear(b *testing.B) {
	s := alerts.Supervised{Rule: always{}, Policy: alerts.Policy{Critical: &alerts.Threshold{Raise: 5, Clear: 3}, MaxAttempts: 3}}
	for b.Loop() {
		if _, err := Run(b.Context(), s, noon, noon.AddDate(1, 0, 0), 10*time.Minute); err != nil {
			b.Fatal(err)
		}
	}
}

type always struct{}

func (always) ID() string { return "always" }

func (always) Check(_ context.Context, now time.Time) ([]alerts.Reading, error) {
	return []alerts.Reading{{Value: float64(now.Hour() % 8), At: now}}, nil
}
