package pages

import (
	"context"
	"iter"
	"regexp"
	"testing"
	"time"

	"rondo/alerts"
	"rondo/alerts/fleet"
	"rondo/rrd"
)

// left is what retired hosts have left behind.
type left struct {
	keys  []rrd.Key
	hosts []fleet.Host
}

func (l left) Hosts() []fleet.Host { return l.hosts }

func (l left) Find(_ context.Context, ms []rrd.Matcher, _ int) (found []rrd.Key, err error) {
	for _, k := range l.keys {
		value := k.Get(ms[0].Label)
		if ms[0].Op == rrd.Equal && value == ms[0].Value || ms[0].Op == rrd.Regexp && regexp.MustCompile("^(?:"+ms[0].Value+")$").MatchString(value) {
			found = append(found, k)
		}
	}
	return found, nil
}
func (left) LabelNames(context.Context, []rrd.Matcher) ([]string, error)          { return nil, nil }
func (left) LabelValues(context.Context, string, []rrd.Matcher) ([]string, error) { return nil, nil }
func (left) Heads(rrd.Time) iter.Seq2[rrd.Key, rrd.Time]                          { return nil }

// TestRetiredHosts: a host that was withdrawn is retiring while it is heard of,
// then retired, and no longer listed when it has been silent for a while; its
// page is found by its series ever after.
func TestRetiredHosts(t *testing.T) {
	now := time.Date(2026, 11, 19, 10, 0, 0, 0, time.UTC)
	key, err := rrd.NewKey("load1", rrd.Label{Name: "host", Value: "web-8"}, rrd.Label{Name: "group", Value: "web"})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		withdrawn, heard, logged time.Duration // ago
		want                     string        // the badge; "" where it is not listed
	}{
		{time.Minute, 2 * time.Second, time.Minute, "retiring"},
		{time.Minute, time.Minute, 2 * time.Second, "retiring"},
		{time.Minute, time.Minute, time.Minute, "retired"},
		{time.Hour, time.Hour, 10 * time.Minute, "retired"},
		{time.Hour, time.Hour, time.Hour, ""},
	} {
		h := fleet.Host{ID: "web-9", Withdrawn: now.Add(-tc.withdrawn), LastSeen: now.Add(-tc.heard), LastLog: now.Add(-tc.logged), Reason: "scale-in"}
		got := ""
		if !hidden(h, now) {
			got = hostRow(h, alerts.View{}, false, now).Badge.Text
		}
		if got != tc.want {
			t.Errorf("withdrawn %v, heard %v, logged %v ago: %q, want %q", tc.withdrawn, tc.heard, tc.logged, got, tc.want)
		}
	}
	l := left{[]rrd.Key{key, "fleet.web.web-7.load"}, []fleet.Host{{ID: "web-9", Group: "web", Withdrawn: now}}}
	p := &Pages{deps: Deps{Index: l, Fleet: l}}
	for id, want := range map[string]string{"web-9": "web", "web-8": "web", "web-7": "fleet.web.web-7.", "web-6": "", "": ""} {
		h, ok, err := p.former(t.Context(), id)
		if got := h.Group + h.Template; err != nil || ok != (want != "") || got != want {
			t.Errorf("%q: %q, %v, %v, want %q", id, got, ok, err, want)
		}
	}
}
