package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rondo/rrd"
	"rondo/rrd/rrdtest"
)

// changing is a store beside the believed one, with an hour and a half of a
// hundred series and more in both.
type changing struct {
	*testing.T
	life
	want *rrdtest.Mem
	now  rrd.Time
}

func newChanging(t *testing.T) *changing {
	t.Helper()
	c := &changing{T: t, now: rrdtest.T0}
	ro := rrdtest.Options{Define: rrdtest.SmallByName, Now: func() time.Time { return c.now.Std() }}
	c.want = rrdtest.NewMem(ro)
	o := testOptions(t, ro)
	o.StageBytes = 200_000
	c.life = life{unsynced: unsynced{openStore(t, t.TempDir(), o)}}
	t.Cleanup(func() { closeStore(t, c.Store) })
	c.fill(600)
	return c
}

const changingSeries = 140

// fill adds rounds of ten seconds.
func (c *changing) fill(rounds int) {
	c.Helper()
	for range rounds {
		c.now += 10 * rrd.Second
		var batch []rrd.Sample
		for i := range changingSeries {
			batch = append(batch, rrd.Sample{
				Key: rrd.Key(fmt.Sprintf("s%03d", i)), Time: c.now + rrd.Time(i), Value: float64(int64(c.now/rrd.Second) % 1000 * int64(i)),
				Type: []rrd.Type{rrd.Gauge, rrd.Counter}[i%2],
			})
		}
		if err := errors.Join(c.Write(c.Context(), batch), c.want.Append(c.Context(), batch)); err != nil {
			c.Fatal(err)
		}
	}
	if err := c.maintain(); err != nil {
		c.Fatal(err)
	}
}

// same compares all answers.
func (c *changing) same(when string) {
	c.Helper()
	for _, q := range rrdtest.Queries(c.now) {
		if d := rrdtest.Diff(c.Context(), c.want, c.Store, q); d != "" {
			c.Fatalf("%s: row %s, %v to %v (-want +got):\n%.2000s", when, q.Row, q.Start, q.End, d)
		}
	}
}

// done waits for the change to end.
func (c *changing) done() Progress {
	c.Helper()
	for {
		c.jobMu.Lock()
		j := c.job
		c.jobMu.Unlock()
		if j == nil {
			c.Fatal("no change is running")
		}
		if p := j.progress(); !p.Ended.IsZero() {
			return p
		}
		c.Store.flushMu.Lock() // the job holds it most of the time
		c.Store.flushMu.Unlock()
	}
}

var longer = Change{Edit: Edit{Archives: []string{"10s for 2h", "2m for 1d"}, Heartbeat: 5 * time.Minute}}

func (c *changing) redefineWanted(change Change) {
	c.Helper()
	var ms []rrd.Matcher
	if len(change.Matchers) > 0 {
		ms = change.Matchers[0]
	}
	keys, err := c.want.Find(c.Context(), ms, 0)
	if err != nil {
		c.Fatal(err)
	}
	for _, k := range keys {
		d, err := change.Edit.apply(rrdtest.SmallByName(k, []rrd.Type{rrd.Gauge, rrd.Counter}[int(k[3]-'0')%2]))
		if err != nil {
			c.Fatal(err)
		}
		c.want.Redefine(k, d)
	}
}

func TestChange(t *testing.T) {
	t.Parallel()
	c := newChanging(t)
	change := longer
	change.Matchers = [][]rrd.Matcher{{{Label: rrd.NameLabel, Op: rrd.Regexp, Value: "s1.*"}}, {{Label: rrd.NameLabel, Value: "s100"}}}
	if _, err := c.Change(Change{}); !errors.Is(err, ErrEmptyEdit) {
		t.Errorf("nothing to change: %v", err)
	}
	if _, err := c.Change(change); err != nil {
		t.Fatal(err)
	}
	if p := c.done(); p.Done != 40 || p.Total != 40 || p.Rows == 0 || p.Bytes == 0 {
		t.Errorf("%+v", p)
	}
	c.redefineWanted(change)
	c.same("changed")
	c.fill(90)
	c.same("with more")
	if err := c.Restart(false); err != nil {
		t.Fatal(err)
	}
	c.same("after a kill")
	if _, running := c.Changing(); running {
		t.Error("the change is resumed although it had ended")
	}
	if p, err := c.Change(change); err != nil || p.Total != 0 {
		t.Errorf("the same again changes %d, %v", p.Total, err)
	}
	c.done()
}

// TestChangeKilled kills at the boundaries of the steps of a change; what was
// left undone is resumed.
func TestChangeKilled(t *testing.T) {
	t.Parallel()
	moved := func(c *changing, p *plan, pages []pageChange) error {
		cv := newConverter(c.Store)
		return cv.move(pages, func() error { return nil })
	}
	for name, steps := range map[string]func(*changing, *plan, []pageChange) error{
		"planned": func(*changing, *plan, []pageChange) error { return nil },
		"moved":   moved,
		"one page switched, the table not told": func(c *changing, p *plan, pages []pageChange) error {
			return errors.Join(moved(c, p, pages), c.switchPage(pages[1]))
		},
		"all switched, the table not told": func(c *changing, p *plan, pages []pageChange) error {
			err := moved(c, p, pages)
			for _, pc := range pages {
				err = errors.Join(err, c.switchPage(pc))
			}
			return err
		},
		"switched, with a checkpoint": func(c *changing, p *plan, pages []pageChange) error {
			err := errors.Join(moved(c, p, pages), c.switchPage(pages[0]))
			return errors.Join(err, c.writeCheckpoint(), c.switchPage(pages[2]))
		},
		"the table told": func(c *changing, p *plan, pages []pageChange) error {
			err := moved(c, p, pages)
			_, err2 := c.switchPages(pages)
			return errors.Join(err, err2)
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newChanging(t)
			c.flushMu.Lock()
			p, err := c.plan(&longer)
			if err == nil {
				err = c.saveChange(&savedChange{longer, changingSeries})
			}
			var pages []pageChange
			for i := range p.wants {
				k := &p.kinds[p.wants[i].kind]
				def, internErr := c.table.intern(k.to)
				err = errors.Join(err, internErr)
				s := c.table.at(p.wants[i].id)
				if n := p.wants[i].id / pageSeries; int(n) == len(pages) {
					pages = append(pages, pageChange{page: c.table.pages[n]})
				}
				last := &pages[len(pages)-1]
				last.all = append(last.all, c.convert(s, def, c.nowClock()))
			}
			err = errors.Join(err, steps(c, p, pages))
			c.flushMu.Unlock()
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Restart(false); err != nil {
				t.Fatal(err)
			}
			if p := c.done(); p.Total != changingSeries || p.Done != changingSeries {
				t.Errorf("%d of %d series: want those that were to be changed at first", p.Done, p.Total)
			}
			c.redefineWanted(longer)
			c.same("resumed")
			if err := c.Restart(false); err != nil {
				t.Fatal(err)
			}
			c.fill(90)
			c.same("and once more")
		})
	}
}

// TestChangeThereAndBack: nothing that a ring had before may come back, or hide
// what came meanwhile.
func TestChangeThereAndBack(t *testing.T) {
	t.Parallel()
	c := newChanging(t)
	back := Change{Edit: Edit{Archives: []string{"10s for 30m", "1m for 2h", "5m for 12h"}}}
	for _, change := range []Change{longer, back, longer, back} {
		if _, err := c.Change(change); err != nil {
			t.Fatal(err)
		}
		c.done()
		c.redefineWanted(change)
		c.same("changed to " + change.String())
		c.fill(120)
		c.same("with more")
	}
	if err := c.Restart(true); err != nil {
		t.Fatal(err)
	}
	c.same("reopened")
}

// TestChangeDropsRings: a ring that no series uses goes, with its directory,
// once nothing can need it any more.
func TestChangeDropsRings(t *testing.T) {
	t.Parallel()
	c := newChanging(t)
	old := c.table.byID[0].rings[1].dir
	if _, err := os.Stat(old); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Change(longer); err != nil {
		t.Fatal(err)
	}
	c.done()
	for range 3 {
		if err := c.maintain(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(old); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there: %v", old, err)
	}
	c.redefineWanted(longer)
	c.same("without the ring")
	if err := c.Restart(false); err != nil {
		t.Fatal(err)
	}
	c.same("reopened")
}

// TestChangeWhileWriting changes to and fro while samples and questions come;
// at the end nothing is missing.
func TestChangeWhileWriting(t *testing.T) {
	t.Parallel()
	c := newChanging(t)
	stop := make(chan struct{})
	var group sync.WaitGroup
	rounds := 0
	group.Go(func() {
		for start := c.now; ; rounds++ {
			select {
			case <-stop:
				return
			default:
			}
			var batch []rrd.Sample
			for i := range changingSeries {
				batch = append(batch, rrd.Sample{Key: rrd.Key(fmt.Sprintf("s%03d", i)), Time: start + rrd.Time(rounds+1)*rrd.Second, Value: float64(rounds)})
			}
			if err := c.Write(context.Background(), batch); err != nil && !isBatchError(err) {
				t.Error(err)
			}
		}
	})
	group.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			q := rrd.Query{Start: c.now - 3600*rrd.Second, End: c.now, Columns: []rrd.Column{rrd.ColCount}}
			got, err := rrdtest.Collect(context.Background(), c.Store, q)
			if err != nil || len(got) != changingSeries {
				t.Errorf("%d series, %v", len(got), err)
			}
		}
	})
	for i := range 4 {
		change := []Change{longer, {Edit: Edit{Archives: []string{"10s for 3h", "1m for 4h"}}}}[i%2]
		if _, err := c.Change(change); err != nil {
			t.Fatal(err)
		}
		c.done()
	}
	close(stop)
	group.Wait()
	end := c.now + rrd.Time(rounds+1)*rrd.Second
	got, err := rrdtest.Collect(t.Context(), c.Store, rrd.Query{Start: c.now, End: end, Columns: []rrd.Column{rrd.ColCount}, Row: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	want := min(rounds, 600) // later ones are too far ahead of the clock
	for _, s := range got {
		n := 0.0
		for _, v := range s.Values[rrd.ColCount] {
			n += v
		}
		if want > 0 && (n < float64(want)-60 || n > float64(want)+1) { // a row of a minute reaches over the start
			t.Fatalf("%s has %v samples of %d", s.Key, n, want)
		}
	}
}

func TestRename(t *testing.T) {
	t.Parallel()
	c := newChanging(t)
	to, err := rrd.NewKey("renamed", rrd.Label{Name: "host", Value: "a"})
	if err != nil {
		t.Fatal(err)
	}
	q := rrd.Query{Start: c.now - 3600*rrd.Second, End: c.now, Columns: []rrd.Column{rrd.ColLast}}
	q.Matchers = []rrd.Matcher{{Label: rrd.NameLabel, Value: "s001"}}
	before, err := rrdtest.Collect(t.Context(), c.Store, q)
	if err != nil || len(before) != 1 {
		t.Fatal(before, err)
	}
	if err := c.Rename("s001", "s002"); !errors.Is(err, ErrSeriesName) {
		t.Errorf("to a key that exists: %v", err)
	}
	if err := c.Rename("none", "x"); !errors.Is(err, ErrNoSeries) {
		t.Errorf("from a key that does not: %v", err)
	}
	if err := c.Rename("s001", ""); !errors.Is(err, rrd.ErrEmptyName) {
		t.Errorf("to no key: %v", err)
	}
	if err := c.Rename("s001", to); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if names, err := c.LabelValues(t.Context(), "host", nil); len(names) != 1 || err != nil {
			t.Errorf("hosts %v, %v", names, err)
		}
		q.Matchers[0].Value = "s001"
		if got, err := rrdtest.Collect(t.Context(), c.Store, q); len(got) != 0 || err != nil {
			t.Errorf("the old key answers: %v, %v", got, err)
		}
		q.Matchers[0].Value = "renamed"
		got, err := rrdtest.Collect(t.Context(), c.Store, q)
		if err != nil || len(got) != 1 || got[0].Key != to || cmp.Diff(before[0].Values, got[0].Values) != "" {
			t.Errorf("%v, %v", got, err)
		}
		if err := c.Restart(false); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Write(t.Context(), []rrd.Sample{{Key: "s001", Time: c.now, Value: 1}}); err != nil {
		t.Errorf("a new series of the old name: %v", err)
	}
}

func TestEstimate(t *testing.T) {
	t.Parallel()
	c := newChanging(t)
	got, err := c.Estimate(longer)
	if err != nil {
		t.Fatal(err)
	}
	if got.Series != changingSeries || got.Changing != changingSeries || got.Now <= 0 || got.Peak <= got.Now || got.After <= 0 {
		t.Errorf("%+v", got)
	}
	lost := map[string]bool{}
	for _, a := range got.Archives {
		lost[a.Archive] = a.Lost > 0
	}
	want := map[string]bool{"10s for 2h": false, "10s for 30m": false, "1m for 2h": true, "2m for 1d": false, "5m for 12h": true}
	if d := cmp.Diff(want, lost); d != "" {
		t.Errorf("archives that lose rows (-want +got):\n%s\n%+v", d, got)
	}
	if got.Full < got.After {
		t.Errorf("full rings take less than those of now: %+v", got)
	}
}

// TestEstimateOfNew: what is not on disk yet is reckoned for full rings.
func TestEstimateOfNew(t *testing.T) {
	t.Parallel()
	st := openStore(t, t.TempDir(), testOptions(t, rrdtest.Options{Define: rrdtest.SmallByName, Now: atT0}))
	defer closeStore(t, st)
	if err := st.Append(t.Context(), []rrd.Sample{gauge("g1", 0, 1)}); err != nil {
		t.Fatal(err)
	}
	const was, is = 180*1.5 + (120+144)*5, 720*1.5 + 720*5 // rows of SmallByName, and of longer
	got, err := st.Estimate(longer)
	if err != nil || got.After != 0 || got.Full != is {
		t.Errorf("%+v, %v: want %v bytes when full", got, err, is)
	}
	infos, err := st.Describe(nil, 0, true)
	if err != nil || len(infos) != 1 {
		t.Fatal(infos, err)
	}
	full := int64(0)
	for _, a := range infos[0].Archives {
		full += a.Full
	}
	if full != was {
		t.Errorf("%+v: want %v bytes when full", infos[0].Archives, was)
	}
}

func TestEdit(t *testing.T) {
	d := rrdtest.Small(rrd.Gauge)
	f := func(e Edit, want string) {
		t.Helper()
		got, err := e.apply(d)
		text := fmt.Sprint(err)
		if err == nil {
			text = FormatSpan(got.Heartbeat) + fmt.Sprintf(" %v %v %s", got.Min, got.Max, got.Type)
			for a := range got.Archives {
				text += "; " + FormatArchive(&got, a)
			}
		}
		if text != want {
			t.Errorf("%+v:\n got %s\nwant %s", e, text, want)
		}
	}
	f(Edit{Heartbeat: time.Hour, Min: "0", Max: "none"}, "1h 0 NaN gauge; 10s for 30m; 1m for 2h; 5m for 12h")
	f(Edit{Step: time.Minute}, "2m NaN NaN gauge; 1m for 2h; 5m for 12h")
	f(Edit{Step: 30 * time.Second}, "2m NaN NaN gauge; 30s for 30m; 1m for 2h; 5m for 12h")
	f(Edit{Step: 5 * time.Second}, "2m NaN NaN gauge; 5s for 30m; 10s for 30m; 1m for 2h; 5m for 12h")
	f(Edit{Step: 45 * time.Second}, "step 45s: the archive of 1m rows is not a multiple of it; give --archives too")
	f(Edit{Archives: []string{"5m for 1d"}}, "heartbeat 2m0s is shorter than the step 5m0s")
	f(Edit{Type: "counter"}, "2m NaN NaN counter; 10s for 30m; 1m for 2h; 5m for 12h")
	f(Edit{Max: "ten"}, `max "ten": want a number, or none`)
	d.Type = rrd.Counter
	f(Edit{Type: "gauge"}, "type: a counter cannot become a gauge: make a new series")
}
