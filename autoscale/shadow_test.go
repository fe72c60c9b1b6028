package autoscale

import (
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A shadow sees the load as its own instances would, changes them in name
// alone, counts what they would have cost, and goes on after a restart.
func TestShadowLaunchesInNameAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 5000)
		w.setDemand(4)
		conf := web()
		conf.Groups[0].Shadow = &Shadow{Out: OutPolicy{Above: 1, Add: Enough}, In: InPolicy{Below: 0.25, For: 5 * time.Second, Remove: 1}}
		l := w.live(conf)
		time.Sleep(5 * time.Minute)
		v := l.Views()[0]
		if w.count() != 2 || v.Shadow.Capacity != 4 || v.Shadow.InService != 4 || v.Shadow.Decision.Points[0].Value != 1 {
			t.Errorf("%d live, shadow %+v", w.count(), v.Shadow)
		}
		if more := v.Shadow.More(); math.Abs(more-2*5./60) > 0.03 {
			t.Errorf("%.3f instance-hours more in 5 minutes with 4 for 2", more)
		}
		rs, err := l.Records("web", Page{Limit: 100})
		if err != nil || len(rs) > 8 {
			t.Errorf("%d records, %v", len(rs), err)
		}
		l.stop()
		l = w.live(conf)
		time.Sleep(5 * time.Second)
		if now := l.Views()[0].Shadow; now.Capacity != 4 || !now.Since.Equal(v.Shadow.Since) {
			t.Errorf("after a restart %+v, before %+v", now, v.Shadow)
		}
		found := false
		for _, s := range l.AppendSamples(nil, time.Now()) {
			found = found || s.Key == "rondo.autoscale.web.shadow" && s.Value == 4
		}
		if !found {
			t.Error("no sample of the shadow")
		}
		l.stop()
	})
}

func TestShadowIsValidatedAsAPolicy(t *testing.T) {
	t.Parallel()
	g := web().Groups[0]
	g.Shadow = &Shadow{Track: &TrackPolicy{Use: 0.7}, Out: OutPolicy{Above: 1, Add: 1}}
	if err := g.WithDefaults().Validate(); err == nil || !strings.Contains(err.Error(), "shadow: ") {
		t.Error(err)
	}
	g.Shadow.Out = OutPolicy{}
	if err := g.WithDefaults().Validate(); err != nil {
		t.Error(err)
	}
}
