package logmetric

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"

	"rondo/rrd"
	"rondo/rrd/rrdtest"
	"rondo/syslogd/syslog"
)

// TestEveryMessageCountsOnce lets messages of all times come while the rule is
// flushed and begun anew, and wants the store to have counted each of them
// once: in its slot where that is still open, and in the total.
func TestEveryMessageCountsOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		step := time.Duration(rapid.SampledFrom([]int{1, 10, 60}).Draw(t, "step")) * time.Second
		now := rrdtest.T0.Std()
		d := rrd.DefaultDefinition()
		d.Type, d.Step, d.Heartbeat = rrd.Absolute, step, 4*step
		mem := rrdtest.NewMem(rrdtest.Options{
			Define: func(rrd.Key, rrd.Type) rrd.Definition { return d },
			Now:    func() time.Time { return now },
		})
		conf := Rule{Name: "x", Count: true, Time: rapid.SampledFrom([]Clock{Received, Message}).Draw(t, "clock")}
		r := newRule(conf, 10)
		flush := func(at time.Time, all bool) {
			w := newWindow(step, at)
			if err := mem.Append(t.Context(), r.flush(nil, &w, rrd.At(at), 5*step, all)); err != nil {
				t.Fatalf("at %v: %v", at, err)
			}
		}
		// pass lets time pass; each slot is flushed at its end.
		pass := func(d time.Duration) {
			for until := now.Add(d); ; {
				end := (rrd.At(now) + 1).SlotEnd(step).Std()
				if end.After(until) {
					now = until
					return
				}
				now = end
				flush(now, false)
			}
		}
		want := make(map[rrd.Time]float64)
		messages := 0.0
		for range rapid.IntRange(1, 60).Draw(t, "events") {
			switch rapid.SampledFrom([]string{"message", "message", "wait", "restart"}).Draw(t, "event") {
			case "message":
				ago := time.Duration(rapid.SampledFrom([]int{0, 0, 0, 1, 11, 65, 300, 500, 5000, -30}).Draw(t, "ago")) * time.Second
				m := syslog.Parse(fmt.Sprintf("<13>1 %s h a - - - x", now.Add(-ago).Format(time.RFC3339Nano)), now, netip.Addr{})
				w := newWindow(step, now)
				slot, _ := w.slotOf(&m, conf.Time == Message)
				want[slot]++
				messages++
				r.take(&m, &w, &tally{})
			case "restart":
				flush(now, true)
				r = newRule(conf, 10)
			}
			pass(time.Duration(rapid.IntRange(1, 3000).Draw(t, "ms")) * time.Millisecond)
		}
		flush(now, true)
		checkCounts(t, mem, want, messages)
	})
}

// checkCounts compares the finest archive, and the increase over all time.
func checkCounts(t *rapid.T, mem *rrdtest.Mem, want map[rrd.Time]float64, messages float64) {
	q := rrd.Query{
		Matchers: []rrd.Matcher{{Label: rrd.NameLabel, Value: "log_x"}},
		Start:    rrdtest.T0.Add(-2 * time.Hour), End: rrdtest.T0.Add(24 * time.Hour),
		Columns: []rrd.Column{rrd.ColSum, rrd.ColTotal},
	}
	got, err := rrdtest.Collect(t.Context(), mem, q)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range got {
		for i, at := range s.Times {
			end := at.SlotEnd(s.Definition.Step)
			if v := s.Values[rrd.ColSum][i]; v != want[end] {
				t.Fatalf("%v: %v messages, want %v", end.Std(), v, want[end])
			}
			delete(want, end)
		}
		total := s.Values[rrd.ColTotal]
		if rise := total[len(total)-1] - total[0]; rise != messages || total[0] != 0 {
			t.Fatalf("the total rises by %v from %v, want %v from 0", rise, total[0], messages)
		}
	}
	if len(want) > 0 && messages > 0 {
		t.Fatalf("not counted: %v", want)
	}
}
