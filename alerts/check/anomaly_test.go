package check

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rondo/alerts"
	"rondo/rrd"
	"rondo/rrd/rrdtest"
)

// TestAnomaly feeds a set as RRDtool makes them with three days of hours, and
// then with what no season explains.
func TestAnomaly(t *testing.T) {
	d, err := rrd.ParseSetDefinition(time.Minute, strings.Fields(`DS:in:GAUGE:3600:U:U DS:out:GAUGE:3600:U:U
		RRA:AVERAGE:0.5:1:1000 RRA:HWPREDICT:1000:0.1:0.0035:60`))
	if err != nil {
		t.Fatal(err)
	}
	sets := rrdtest.NewMemSets(rrdtest.Options{})
	start := rrd.At(noon.Add(-10 * time.Hour))
	if err := sets.CreateSet(t.Context(), "traffic/eth0", d, start, false); err != nil {
		t.Fatal(err)
	}
	plain, err := rrd.ParseSetDefinition(time.Minute, strings.Fields("DS:in:GAUGE:3600:U:U RRA:AVERAGE:0.5:1:10"))
	if err != nil {
		t.Fatal(err)
	}
	if err := sets.CreateSet(t.Context(), "traffic/plain", plain, start, false); err != nil {
		t.Fatal(err)
	}
	feed := func(until int, in func(minute int) float64) func(from int) {
		return func(from int) {
			for m := from; m <= until; m++ {
				u := rrd.SetUpdate{Name: "traffic/eth0", Time: rrd.At(start.Std().Add(time.Duration(m) * time.Minute)), Texts: []string{fmt.Sprint(in(m)), fmt.Sprint(100 + m%7)}}
				if err := sets.UpdateSets(context.Background(), []rrd.SetUpdate{u}); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	season := func(m int) float64 { return 50 + 20*math.Sin(2*math.Pi*float64(m)/60) + float64(m%3) }
	feed(590, season)(1)
	a := Anomaly{Common: Common{Name: "odd", Severity: alerts.Warning}, Series: "traffic/*"}
	r := build(t, Config{Anomalies: []Anomaly{a}}, Sources{Sets: sets})
	rs, err := r.Rule.Check(t.Context(), noon.Add(-10*time.Minute))
	if err != nil || len(rs) != 2 || rs[0].Status != alerts.OK || rs[0].Missing || !strings.Contains(rs[0].Text, ", expected ") {
		t.Fatalf("%+v, %v", rs, err)
	}
	feed(600, func(int) float64 { return 400 })(591)
	rs, err = r.Rule.Check(t.Context(), noon)
	if err != nil || rs[0].Status != alerts.Warning || !strings.HasPrefix(rs[0].Text, "7 or more of 9 readings were outside of what the season lets expect; 400, expected ") {
		t.Fatalf("%+v, %v", rs, err)
	}
	if got := rs[0].Labels.String(); got != `{ds="in",series="traffic/eth0"}` {
		t.Error(got)
	}
	rs, err = r.Rule.Check(t.Context(), noon.Add(2*time.Hour))
	if err != nil || !rs[0].Missing {
		t.Errorf("%+v, %v", rs, err)
	}
	a.DS = "out"
	r = build(t, Config{Anomalies: []Anomaly{a}}, Sources{Sets: sets})
	if rs, err = r.Rule.Check(t.Context(), noon); err != nil || len(rs) != 1 || rs[0].Labels.Get("ds") != "out" {
		t.Errorf("%+v, %v", rs, err)
	}
}

func TestJoin(t *testing.T) {
	eval := &fakeEval{values: []rrd.Value{value(9, "host", "Web-1"), value(8, "host", "web-2"), value(1, "host", "web-3"), value(math.NaN(), "host", "x")}}
	logs := &fakeLogs{counts: []Count{{[]string{"web-1"}, 4}, {[]string{"web-3"}, 4}, {[]string{"web-2"}, 2}}}
	j := Join{
		Common: Common{Name: "both"}, Metric: JoinMetric{Expr: "load", Raise: 5}, On: []string{"host"},
		Log: JoinLog{Filter: "app:kernel oom", Raise: 3},
	}
	r := build(t, Config{Joins: []Join{j}}, Sources{Metrics: eval, Logs: logs})
	check := func(at time.Duration, want string) {
		t.Helper()
		rs, err := r.Rule.Check(t.Context(), noon.Add(at))
		var got strings.Builder
		for _, rd := range rs {
			fmt.Fprintf(&got, "%v %v %s\n", rd.Labels, rd.Status, rd.Text)
		}
		if err != nil {
			got.WriteString(err.Error())
		}
		if d := cmp.Diff(want, got.String()); d != "" {
			t.Errorf("at %v: %s", at, d)
		}
	}
	check(0, `{host="Web-1"} critical the metric is 9 (now), and 4 messages in 2m0s match app:kernel oom
{host="web-2"} ok the metric is 8 (now), and 2 messages in 2m0s match app:kernel oom
`)
	eval.values = nil // the metric's condition held a moment ago, and that counts
	check(90*time.Second, `{host="Web-1"} critical the metric is 9 (1 min 30 s ago), and 4 messages in 2m0s match app:kernel oom
{host="web-2"} ok the metric is 8 (1 min 30 s ago), and 2 messages in 2m0s match app:kernel oom
`)
	check(121*time.Second, "")
	eval.err = context.DeadlineExceeded
	check(122*time.Second, context.DeadlineExceeded.Error())
	eval.err, logs.counts = nil, make([]Count, maxGroups+1)
	check(123*time.Second, "host have more than 1000 values in the window: narrow the filter")
	j.Metric.Op, j.On, logs.counts = "below", nil, []Count{{nil, 4}}
	eval.values = []rrd.Value{value(1)}
	r = build(t, Config{Joins: []Join{j}}, Sources{Metrics: eval, Logs: logs})
	check(0, "{} critical the metric is 1 (now), and 4 messages in 2m0s match app:kernel oom\n")
	if !r.Policy.Direct || r.Policy.Missing != alerts.MissingOK {
		t.Errorf("%+v", r.Policy)
	}
}
