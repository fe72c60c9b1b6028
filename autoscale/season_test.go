package autoscale

import (
	"context"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"rondo/rrd"
)

// monday is a midnight.
var monday = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// office is the work of an office's servers: from 9 to 17 on working days it is
// five times that of the night, and it grows by 3 % a week.
func office(at time.Time) float64 {
	work := 2.0
	hour := at.Sub(monday).Hours()
	if day := int(hour/24) % 7; day < 5 {
		h := math.Mod(hour, 24)
		work += 8 * max(0, min(1, (h-8.75)*4, (17.25-h)*4))
	}
	return work * (1 + 0.03*hour/168)
}

// historyOf is one, its points, two minutes apart, with noise.
func historyOf(until time.Time, noise float64, work func(time.Time) float64) *History {
	h := new(History)
	r := rand.New(rand.NewPCG(3, 3))
	for at := monday; at.Before(until); at = at.Add(2 * time.Minute) {
		h.Add(at, work(at)*(1+noise*r.NormFloat64()))
	}
	return h
}

// TestSeason: what it expects at a time, after so many days.
func TestSeason(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	morning := 8*time.Hour + 45*time.Minute
	holiday := func(at time.Time) float64 {
		if at.Sub(monday) > 15*day {
			return 2.2
		}
		return office(at)
	}
	for _, c := range []struct {
		name       string
		after      time.Duration
		noise      float64
		work       func(time.Time) float64
		acts       bool
		least, max float64
	}{
		{"first days", 2*day + morning, 0.02, office, false, 0, 0},
		{"third day's neighbour", 4*day + morning, 0.02, office, true, 0.3, 2},
		{"third week", 15*day + morning, 0.02, office, true, 0.3, 2},
		{"third week, at night", 15*day + 3*time.Hour, 0.02, office, true, -0.03, 0.03},
		{"a holiday, from late morning on", 15*day + 11*time.Hour, 0.02, holiday, false, -1, 2},
		{"nothing but noise", 15*day + morning, 0.2, func(time.Time) float64 { return 5 }, false, -1, 2},
		{"no work", 15*day + morning, 0, func(time.Time) float64 { return 0 }, false, 0, 0},
	} {
		now := monday.Add(c.after)
		s := historyOf(now, c.noise, c.work).Season(now, 10*time.Minute)
		if s.Acts != c.acts || s.Rise < c.least || s.Rise > c.max {
			t.Errorf("%s: %+v; want acts %v, a rise of %v to %v", c.name, s, c.acts, c.least, c.max)
		}
	}
}

// TestSeasonSays: what a decision says of it, and does.
func TestSeasonSays(t *testing.T) {
	t.Parallel()
	g, in := tracked(func(time.Duration) float64 { return 7 }, 9)
	f := func(s Season, to int, want string) {
		t.Helper()
		in.Season = s
		if d := Want(g, in); d.To != to || !strings.Contains(d.Reason, want) {
			t.Errorf("%d, %s; want %d, %s", d.To, d.Reason, to, want)
		}
	}
	f(Season{}, 9, "use")
	f(Season{Rise: 0.5, Error: 0.02, Plain: 0.05, Known: 140, Acts: true}, 15, "at this time it used to rise by 50 % (2 % wrong of late, without it 5 %)")
	f(Season{Rise: 0.5, Error: 0.05, Plain: 0.05, Known: 140}, 9, "the season does not count: 5 % wrong of late, without it 5 %")
	f(Season{Rise: -0.5, Error: 0.02, Plain: 0.05, Known: 140, Acts: true}, 9, "use") // it never takes away
	g.Track.Seasons = seasonsOff
	f(Season{Rise: 0.5, Known: 140, Acts: true}, 9, "use")
}

// TestHistoryLaws: whatever comes, in whatever order, is bounded and gives a
// finite rise.
func TestHistoryLaws(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := new(History)
		at := monday
		for range rapid.IntRange(0, 200).Draw(t, "points") {
			at = at.Add(time.Duration(rapid.IntRange(-1, 60*24*60).Draw(t, "minutes")) * time.Minute)
			h.Add(at, rapid.OneOf(rapid.Float64(), rapid.Float64Range(0, 10)).Draw(t, "work"))
			if len(h.work) > 2*historyKept+1 {
				t.Fatalf("%d slots", len(h.work))
			}
		}
		if s := h.Season(at, time.Hour); !finite(s.Rise) || s.Rise > mostRise || s.Rise < -1 && s.Acts {
			t.Errorf("%+v", s)
		}
	})
}

// archive answers a Liner's question for the office.
type archive struct {
	*world
	asked int
	most  int
}

func (a *archive) Line(_ context.Context, expr string, from, to time.Time, step time.Duration) (out []rrd.Value, err error) {
	if expr == "m" { // whether the metric is stuck
		return nil, nil
	}
	a.asked++
	if expr != `(m) * scalar({__name__="rondo.autoscale.web.in_service"})` {
		a.t.Errorf("asked for %s", expr)
	}
	for at := from; !at.After(to); at = at.Add(step) {
		weeks := monday.Sub(time.Date(2000, 1, 3, 0, 0, 0, 0, time.UTC)) // from Monday to Monday
		out = append(out, rrd.Value{Time: rrd.At(at), Value: office(at.Add(weeks))})
	}
	a.most = max(a.most, len(out))
	return out, nil
}

// TestSeasonLive: a group that is started knows its season after as many ticks
// as it has days of history, and then asks once in ten minutes.
func TestSeasonLive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1000)
		a := &archive{world: w}
		w.metrics = a
		c := web()
		c.Groups[0].Out, c.Groups[0].In, c.Groups[0].Track = OutPolicy{}, InPolicy{}, &TrackPolicy{}
		w.setDemand(2)
		l := w.live(c)
		defer l.stop()
		time.Sleep(40 * time.Second)
		if a.asked != 35 || a.most > 720 {
			t.Errorf("asked %d times at first, for %d values at most", a.asked, a.most)
		}
		time.Sleep(time.Hour)
		if a.asked > 42 {
			t.Errorf("asked %d times in an hour", a.asked)
		}
		l.stop() // what it has learnt is its own until it ends
		if s := l.groups[0].past.Season(time.Now(), 20*time.Minute); s.Known == 0 || s.Error > 0.1 {
			t.Errorf("of five weeks it has learnt: %+v", s)
		}
	})
}
