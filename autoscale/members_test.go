package autoscale

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestMembers: whoever follows the groups hears of each change, and knows
// nothing before the cloud has answered.
func TestMembers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1000)
		w.hide = time.Second
		w.setDemand(24)
		l := w.live(web())
		defer l.stop()
		if got := l.Members(); len(got) != 0 {
			t.Errorf("members before the first list: %v", got)
		}
		changed, end := l.Subscribe()
		defer end()
		phases := func() map[Phase]int {
			n := make(map[Phase]int)
			for _, m := range l.Members() {
				for _, i := range m.Instances {
					n[i.Phase]++
				}
			}
			return n
		}
		for phases()[InService] < 6 {
			select {
			case <-changed:
			case <-time.After(10 * time.Minute):
				t.Fatalf("nobody told of a change; members are %v", phases())
			}
		}
		time.Sleep(5 * time.Minute)
		for len(changed) > 0 {
			<-changed
		}
		time.Sleep(time.Minute)
		if len(changed) > 0 {
			t.Error("told of a change where there is none")
		}
	})
}

func TestRanked(t *testing.T) {
	ranks := map[string]int{"d": 1, "c": 3}
	at := time.Unix(0, 0)
	in := []Instance{{ID: "b", Launched: at.Add(1)}, {ID: "a", Launched: at.Add(1)}, {ID: "c", Launched: at}, {ID: "d", Launched: at.Add(9)}}
	got := ""
	for _, i := range Ranked(in, func(id string) int { return ranks[id] }) {
		got += i.ID
	}
	if got != "dcab" || in[0].ID != "b" {
		t.Errorf("got %s", got)
	}
}
