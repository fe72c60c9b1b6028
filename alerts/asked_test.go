package alerts

import (
	"testing"
	"testing/synctest"
	"time"

	"rondo/rrd"
)

// TestSays: the gravest state answers; another group's does not.
func TestSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		g.rule.set("a=1", "b=1")
		g.start()
		defer g.stop()
		time.Sleep(5 * time.Second)
		f := func(what, rule string, ls rrd.Labels, want Answer, wantText string) {
			t.Helper()
			if got, text := g.e.Says(rule, Terminate, ls); got != want || text != wantText {
				t.Errorf("%s: %v, %q; want %v, %q", what, got, text, want, wantText)
			}
		}
		f("all is well", "r", nil, Quiet, "rule r is quiet")
		f("nobody knows", "nosuch", nil, Unsure, "there is no rule nosuch")
		g.rule.set("a=11", "b=1")
		time.Sleep(time.Minute)
		f("one is not", "r", nil, Firing, `rule r is firing for {host="a"}`)
		f("it is not ours", "r", rrd.Labels{{Name: "host", Value: "b"}}, Quiet, "rule r is quiet")
		f("it has no such label", "r", rrd.Labels{{Name: "group", Value: "web"}}, Firing, `rule r is firing for {host="a"}`)
	})
}
