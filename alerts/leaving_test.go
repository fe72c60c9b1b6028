package alerts

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rondo/rrd"
)

// What is about to be taken away has no new problem, and none of its problems
// changes, until it is gone or stays after all.
func TestEngineLeaving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		var leaving, gone sync.Map
		in := func(m *sync.Map) func(rrd.Labels) bool {
			return func(ls rrd.Labels) bool { _, ok := m.Load(ls.Get("host")); return ok }
		}
		g.opts.Leaving, g.opts.Withdrawn = in(&leaving), in(&gone)
		g.rule.set("a=1", "b=11", "c=1")
		g.start()
		g.wait(5*time.Second, "rb ok>critical")
		for _, host := range []string{"a", "b", "c", "d"} {
			leaving.Store(host, true)
		}
		g.rule.set("a=11", "b=1", "d=11") // c is missing, d is new
		g.wait(time.Minute, "")
		if vs := g.e.Views(); len(vs) != 3 || vs[0].Status != Critical || vs[1].Status != OK || vs[2].Status != OK {
			t.Errorf("views: %+v", vs)
		}
		gone.Store("b", true) // as it was to be
		g.wait(5*time.Second, "rb critical>ok")
		leaving.Delete("a") // it stays
		g.wait(5*time.Second, "ra ok>critical")
		g.stop()
	})
}
