package dispatch

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rondo/alerts"
	"rondo/alerts/notify"
	"rondo/rrd"
)

var epoch = time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)

// TestGroup runs the text tables; see testdata/group.test for their form.
func TestGroup(t *testing.T) {
	text, err := os.ReadFile("testdata/group.test")
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range strings.Split(string(text), "\n== ")[1:] {
		name, body, _ := strings.Cut(block, "\n")
		t.Run(name, func(t *testing.T) { newTable(t).run(body) })
	}
}

// A table is one group and what is done to it.
type table struct {
	t         *testing.T
	route     *Route
	group     *Group
	quiet     string
	inhibited map[string]bool
	acked     map[string]bool
	got, want []string
}

func newTable(t *testing.T) *table {
	return &table{t: t, inhibited: map[string]bool{}, acked: map[string]bool{}}
}

func (x *table) run(body string) {
	for line := range strings.Lines(body) {
		line, _, _ = strings.Cut(line, "#")
		switch f := strings.Fields(line); {
		case len(f) == 0:
		case f[0] == "route":
			x.parseRoute(f[1:])
		case f[0] == "->":
			x.want = append(x.want, strings.Join(f[1:], " "))
		default:
			x.event(epoch.Add(duration(x.t, f[0])), f[1], f[2:])
		}
	}
	if diff := cmp.Diff(x.want, x.got); diff != "" {
		x.t.Errorf("told (-want +got):\n%s", diff)
	}
}

func duration(t *testing.T, s string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (x *table) parseRoute(options []string) {
	r := &Route{Key: "{}", ID: "{}", Receiver: "pager", Wait: defaultWait, Interval: defaultInterval, Repeat: defaultRepeat}
	for _, o := range options {
		key, value, _ := strings.Cut(o, "=")
		switch key {
		case "wait":
			r.Wait = duration(x.t, value)
		case "interval":
			r.Interval = duration(x.t, value)
		case "repeat":
			r.Repeat = duration(x.t, value)
		case "quiet":
			x.quiet = value
		case "escalate":
			after, to, _ := strings.Cut(value, ":")
			r.Ladder = append(r.Ladder, Rung{duration(x.t, after), to})
		case "mute":
			from, to, _ := strings.Cut(value, "-")
			minutes := span{int(duration(x.t, from).Minutes()), int(duration(x.t, to).Minutes()) - 1}
			r.mute = append(r.mute, intervals{any: []interval{{minutes: []span{minutes}, location: time.UTC}}})
		default:
			x.t.Fatalf("unknown option %s", o)
		}
	}
	x.route = r
}

func (x *table) world() World {
	return World{
		Suppressed:   func(a *Alert) bool { return x.inhibited[a.Text] },
		Acknowledged: func(a *Alert) bool { return x.acked[a.Text] },
		SendResolved: func(r string) bool { return r != x.quiet },
	}
}

// event lets the group do what is due before, and then changes alerts.
func (x *table) event(now time.Time, what string, names []string) {
	for x.group != nil && x.group.Due().Before(now) {
		x.look(x.group.Due())
	}
	for _, name := range names {
		switch what {
		case "fire", "resolve":
			x.put(testAlert(name, now, what == "resolve"))
		case "inhibit", "free":
			x.inhibited[name] = what == "inhibit"
		case "ack", "unack":
			x.acked[name] = what == "ack"
		default:
			x.t.Fatalf("unknown event %s", what)
		}
	}
}

// testAlert is one whose text is its name; with ! it is critical.
func testAlert(name string, now time.Time, over bool) *Alert {
	a := &Alert{Alert: notify.Alert{
		Labels: rrd.Labels{{Name: "alertname", Value: name}}, Severity: alerts.Warning, Text: name, Starts: now,
	}}
	if strings.HasSuffix(name, "!") {
		a.Severity = alerts.Critical
	}
	if over {
		a.Ends = now
	}
	a.ID = alerts.Fingerprint(a.Labels)
	return a
}

func (x *table) put(a *Alert) {
	if x.group == nil {
		x.group = NewGroup(x.route, nil, a.Starts)
	}
	x.group.Alerts[a.ID] = a
}

func (x *table) look(now time.Time) {
	next := x.group.Next
	for _, s := range x.group.Step(now, x.world()) {
		x.group.Accept(s)
		if s.Quiet {
			continue
		}
		line := fmt.Sprintf("%s %s %s", short(now.Sub(epoch)), s.Receiver, s.Reason)
		for _, a := range s.Alerts {
			name := a.Text
			if !a.Firing() {
				name = strings.ToLower(name)
			}
			line += " " + name
		}
		x.got = append(x.got, line)
	}
	if next.Equal(x.group.Next) {
		return
	}
	for _, id := range x.group.Spent() {
		delete(x.group.Alerts, id)
	}
	if len(x.group.Alerts) == 0 && !slices.ContainsFunc(x.got, func(l string) bool {
		return strings.HasPrefix(l, short(now.Sub(epoch))+" ")
	}) {
		x.group = nil // nothing left, and nothing told just now
	}
}

// short is a duration without the units that are zero.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return strings.Replace(s, "h0m", "h", 1)
}
