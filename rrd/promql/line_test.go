package promql

import (
	"testing"
	"time"

	"rondo/rrd"
)

func TestLine(t *testing.T) {
	m := newMemory(t)
	at := time.Unix(1_000_000, 0)
	for _, name := range []string{`load{host="a"}`, `load{host="b"}`} {
		ls, err := newParser().ParseMetric(name)
		if err != nil {
			t.Fatal(err)
		}
		key, err := rrdLabels(ls).Key()
		if err != nil {
			t.Fatal(err)
		}
		for i := range 30 {
			m.add(key, rrd.DefaultDefinition(), point{rrd.At(at.Add(time.Duration(i-30) * 10 * time.Second)), float64(i)})
		}
	}
	e := New(m, m, Options{})
	got, err := e.Line(t.Context(), "avg(load) * 2", at.Add(-100*time.Second), at.Add(-20*time.Second), 20*time.Second)
	if err != nil || len(got) != 5 || got[0].Value != 40 || !got[4].Time.Std().Equal(at.Add(-20*time.Second)) {
		t.Errorf("%v, %v; want 5 values from 40 on", got, err)
	}
	if got, err := e.Line(t.Context(), "nothing", at.Add(-time.Minute), at, time.Second); err != nil || len(got) != 0 {
		t.Errorf("of nothing: %v, %v", got, err)
	}
	for _, wrong := range []string{"load", "load("} {
		if _, err := e.Line(t.Context(), wrong, at.Add(-time.Minute), at, time.Second); err == nil {
			t.Errorf("%s was taken", wrong)
		}
	}
}
