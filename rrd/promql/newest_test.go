package promql

import (
	"testing"
	"time"

	"rondo/rrd"
)

func TestNewest(t *testing.T) {
	m := newMemory(t)
	at := time.Unix(1_000_000, 0)
	for series, age := range map[string]time.Duration{`load{host="a"}`: 13, `load{host="b"}`: 17, "old": 19, `{"a.b"}`: 12, `{"a.c"}`: 11} {
		ls, err := newParser().ParseMetric(series)
		if err != nil {
			t.Fatal(err)
		}
		key, err := rrdLabels(ls).Key()
		if err != nil {
			t.Fatal(err)
		}
		m.add(key, rrd.DefaultDefinition(), point{rrd.At(at.Add(-age * time.Second)), 1})
	}
	e := New(m, m, Options{})
	f := func(expr string, want time.Duration) {
		t.Helper()
		got, err := e.Newest(t.Context(), expr, at)
		if err != nil || at.Sub(got) != want {
			t.Errorf("%s: %v old, %v; want %v", expr, at.Sub(got), err, want)
		}
	}
	f("load", 13*time.Second)
	f("avg(load)", 13*time.Second)
	f(`avg(load{host="b"} offset 1s) * 2`, 17*time.Second)
	f("rate(load[5m]) + on() old", 19*time.Second)
	f(`{"a.b"}`, 12*time.Second)
	f(`avg({__name__=~"a[.].*"})`, 11*time.Second)
	f("absent(nothing) or load", 13*time.Second)
	f("vector(1)", 0)
	if _, err := e.Newest(t.Context(), "load(", at); err == nil {
		t.Error("a wrong expression was taken")
	}
}
