package promql

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rondo/rrd"
)

func TestSamples(t *testing.T) {
	t.Parallel()
	epoch := time.Unix(0, 0)
	s := NewSamples(time.Minute)
	for series, values := range map[string]string{
		`up{job="a"}`: "1 _x3 0 stale _ 7",
		`up{job="b"}`: "1+2x10",
		"left":        "_x10 5",
	} {
		if err := s.Load(series, values, epoch, time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	key, err := rrd.NewKey("made")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Append(t.Context(), []rrd.Sample{{Key: key, Time: rrd.At(epoch.Add(time.Minute)), Value: 3}}); err != nil {
		t.Fatal(err)
	}
	s.End(key, epoch.Add(3*time.Minute))
	for _, c := range []struct{ expr, at, want string }{
		{`up`, "3m", `up{job="a"} 1, up{job="b"} 7`},
		{`up{job="a"}`, "5m", ""},
		{`up{job="a"}`, "7m", `up{job="a"} 7`},
		{`up{job=~"b|c"}`, "14m59s", `up{job="b"} 21`},
		{`up{job="b"}`, "15m", ""},
		{`sum_over_time(made[10m])`, "5m", "{} 3"},
		{`made`, "2m", "made 3"},
		{`made`, "3m", ""},
		{`left`, "0s", ""},
		{`2 * 3`, "0s", "{} 6"},
	} {
		after, err := time.ParseDuration(c.at)
		if err != nil {
			t.Fatal(err)
		}
		values, err := s.Eval(t.Context(), c.expr, epoch.Add(after))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, v := range values {
			got = append(got, fmt.Sprintf("%v %v", v.Labels, v.Value))
		}
		if d := cmp.Diff(c.want, strings.Join(got, ", ")); d != "" {
			t.Errorf("%s at %s: %s", c.expr, c.at, d)
		}
	}
}

func TestSamplesRefuse(t *testing.T) {
	t.Parallel()
	s := NewSamples(time.Minute)
	if err := s.Load("a", "1", time.Unix(0, 0), time.Minute); err != nil {
		t.Fatal(err)
	}
	for series, values := range map[string]string{
		"a": "2", "b{": "1", "c": "x", "d": "{{schema:0 count:1}}", "e": "1x99999999",
	} {
		if err := s.Load(series, values, time.Unix(0, 0), time.Minute); err == nil {
			t.Errorf("%s %s is taken", series, values)
		}
	}
	if _, err := s.Eval(t.Context(), "sum(", time.Unix(0, 0)); err == nil {
		t.Error("a broken query is answered")
	}
}
