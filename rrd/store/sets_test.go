package store

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"rondo/rrd"
	"rondo/rrd/rrdtest"
)

// A setLife is a store of sets that can be killed and opened again.
type setLife struct {
	*Store
	n int // restarts
}

func (l *setLife) Maintain() error { return l.maintain() }

func (l *setLife) Restart(clean bool) (err error) {
	l.Store, err = reborn(l.Store, &l.n, clean, func() error { return nil })
	return err
}

func TestSetModel(t *testing.T) {
	t.Parallel()
	rrdtest.TestSets(t, func(ro rrdtest.Options) (rrdtest.SetLife, func(), error) {
		base, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			return nil, nil, err
		}
		dir := filepath.Join(base, "store")
		o := testOptions(t, ro)
		o.Now, o.FS = late2033, &lossyFS{synced: map[string]int64{}} // what dies here is the process
		o.StageBytes, o.CheckpointBytes = 2000, 3000
		st, err := Open(dir, o)
		l := &setLife{Store: st}
		return l, func() {
			if err := errors.Join(l.kill(), os.RemoveAll(base)); err != nil {
				t.Error(err)
			}
		}, err
	})
}

// A setPair is a store and the MemSets that must hold the same.
type setPair struct {
	*testing.T
	st   *Store
	want *rrdtest.MemSets
}

func newSetPair(t *testing.T, o Options) *setPair {
	st := openStore(t, t.TempDir(), o)
	return &setPair{t, st, rrdtest.NewMemSets(rrdtest.Options{})}
}

func (p *setPair) both(f func(rrd.SetStore) error) {
	p.Helper()
	for _, s := range []rrd.SetStore{p.want, p.st} {
		if err := f(s); err != nil {
			p.Fatal(err)
		}
	}
}

func (p *setPair) create(name string, d rrd.SetDefinition, start rrd.Time) {
	p.Helper()
	p.both(func(s rrd.SetStore) error { return s.CreateSet(p.Context(), name, d, start, false) })
}

// stream gives a set readings, one per step.
func (p *setPair) stream(name string, from rrd.Time, n int) {
	p.Helper()
	d, _, err := p.want.DescribeSet(name)
	if err != nil {
		p.Fatal(err)
	}
	var batch []rrd.SetUpdate
	for i := range n {
		u := rrd.SetUpdate{Name: name, Time: from.Add(time.Duration(i+1) * d.Step)}
		for j := range d.Sources {
			u.Texts = append(u.Texts, strconv.Itoa(1+i*(j+3)%997))
		}
		batch = append(batch, u)
	}
	p.both(func(s rrd.SetStore) error { return s.UpdateSets(p.Context(), batch) })
}

func (p *setPair) same(names ...string) {
	p.Helper()
	for _, name := range names {
		if d := rrdtest.DiffSet(p.Context(), p.want, p.st, name); d != "" {
			p.Errorf("set %s (-want +got):\n%s", name, d)
		}
	}
}

func (p *setPair) maintain() {
	p.Helper()
	if err := p.st.maintain(); err != nil {
		p.Fatal(err)
	}
}

func (p *setPair) reopen() {
	p.Helper()
	if err := p.st.kill(); err != nil {
		p.Fatal(err)
	}
	p.st = openStore(p.T, p.st.dir, p.st.o)
}

func late2033() time.Time { return time.Unix(2e9, 0) }

// TestSetSelect: to a query, a set's sources are series, whose columns come
// from the archives of their functions.
func TestSetSelect(t *testing.T) {
	t.Parallel()
	p := newSetPair(t, Options{Now: late2033, Every: time.Hour})
	defer func() { closeStore(t, p.st) }()
	p.create("net/eth0", setOf(
		rrd.SetArchive{CF: rrd.Max, Steps: 5, Rows: 50, XFF: 0.5}, rrd.SetArchive{CF: rrd.Average, Steps: 1, Rows: 100, XFF: 0.5},
		rrd.SetArchive{CF: rrd.Average, Steps: 5, Rows: 60, XFF: 0.5}), rrdtest.T0)
	p.stream("net/eth0", rrdtest.T0, 400)
	p.maintain()
	end := rrdtest.T0 + 400*60*rrd.Second
	one := func(q rrd.Query) rrd.Series {
		t.Helper()
		q.Matchers = []rrd.Matcher{{Label: rrd.NameLabel, Value: "net/eth0"}, {Label: "ds", Value: "v"}}
		got, err := rrdtest.Collect(t.Context(), p.st, q)
		if err != nil || len(got) != 1 {
			t.Fatalf("%d series, %v", len(got), err)
		}
		return got[0]
	}
	fetch := func(cf rrd.CF, s rrd.Series) (values []float64) {
		t.Helper()
		rows, err := p.want.FetchSet(t.Context(), rrd.SetQuery{Name: "net/eth0", CF: cf, Start: s.Times[0].Add(-s.Row()), End: end - 1, Resolution: s.Row()})
		if err != nil || rows.Row != s.Row() {
			t.Fatalf("row %v, %v", rows.Row, err)
		}
		return rows.Values
	}
	fine := one(rrd.Query{Start: end - 30*60*rrd.Second, End: end, Columns: []rrd.Column{rrd.ColAverage, rrd.ColMax, rrd.ColCount}})
	if fine.Archive != 0 || len(fine.Times) != 30 || fine.Open {
		t.Fatalf("archive %d, %d rows", fine.Archive, len(fine.Times))
	}
	want := fetch(rrd.Average, fine)
	if d := cmp.Diff(want, fine.Values[rrd.ColAverage]) + cmp.Diff(want, fine.Values[rrd.ColMax]); d != "" {
		t.Errorf("fine (-want +got):\n%s", d)
	}
	coarse := one(rrd.Query{Start: end - 200*60*rrd.Second, End: end, Columns: []rrd.Column{rrd.ColAverage, rrd.ColMax}})
	if coarse.Archive != 1 || len(coarse.Times) != 40 {
		t.Fatalf("archive %d, %d rows", coarse.Archive, len(coarse.Times))
	}
	d := cmp.Diff(fetch(rrd.Average, coarse), coarse.Values[rrd.ColAverage]) + cmp.Diff(fetch(rrd.Max, coarse), coarse.Values[rrd.ColMax])
	if d != "" {
		t.Errorf("coarse (-want +got):\n%s", d)
	}
	for k, newest := range p.st.Heads(0) {
		if k.Get("ds") != "v" || newest != end {
			t.Errorf("head %s at %v", k, newest)
		}
	}
}

// TestSetNames: a dropped set and its rows are gone, also for the next one of
// its name; names and series of sets are not those of samples.
func TestSetNames(t *testing.T) {
	t.Parallel()
	p := newSetPair(t, Options{Now: late2033, Every: time.Hour, MaxSeries: 3})
	defer func() { closeStore(t, p.st) }()
	d := setOf(rrd.SetArchive{CF: rrd.Average, Steps: 1, Rows: 100})
	p.create("a", d, rrdtest.T0)
	p.stream("a", rrdtest.T0, 90)
	p.both(func(s rrd.SetStore) error { return s.DropSet(t.Context(), "a") })
	if keys, err := p.st.Find(t.Context(), nil, 0); len(keys) > 0 || err != nil || p.st.Series() != 0 {
		t.Errorf("after the drop: %v, %v", keys, err)
	}
	p.create("a", d, rrdtest.T0+80*60*rrd.Second)
	p.stream("a", rrdtest.T0+80*60*rrd.Second, 5)
	p.maintain()
	p.same("a")
	p.reopen()
	p.same("a")
	key, err := rrd.NewKey("a", rrd.Label{Name: "ds", Value: "v"})
	if err != nil {
		t.Fatal(err)
	}
	sample := []rrd.Sample{{Key: key, Time: rrdtest.T0, Value: 1}, {Key: "b\xffds\xffv", Time: rrdtest.T0, Value: 1}}
	if d := cmp.Diff(map[int]string{0: string(rrd.RefusedSet)}, rrdtest.Reasons(p.st.Append(t.Context(), sample))); d != "" {
		t.Errorf("samples (-want +got):\n%s", d)
	}
	f := func(name string, d rrd.SetDefinition, start rrd.Time, want string) {
		t.Helper()
		if err := p.st.CreateSet(t.Context(), name, d, start, false); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("create %q: %v, want %q", name, err, want)
		}
	}
	f("a", d, 0, "exists already")
	f("b", d, 0, "belongs to no set")
	f("", d, 0, "no name")
	f("c\xff", d, 0, "UTF-8")
	f("c", d, -1, "before 1970")
	f("c", rrd.SetDefinition{}, 0, "step")
	f("c", setOf(rrd.SetArchive{Steps: 1, Rows: maxRows + 1}), 0, "rows")
	f("c", setOf(make([]rrd.SetArchive, 300)...), 0, "archive")
	p.create("c", d, 0)
	f("d", d, 0, errSeriesMax.Error())
}

// TestWideSet: a set of more data sources than fit in a page.
func TestWideSet(t *testing.T) {
	t.Parallel()
	p := newSetPair(t, Options{Now: late2033, Every: time.Hour, StageBytes: 20_000, CheckpointBytes: 50_000})
	defer func() { closeStore(t, p.st) }()
	d := setOf(rrd.SetArchive{CF: rrd.Average, Steps: 1, Rows: 40}, rrd.SetArchive{CF: rrd.Average, Steps: 7, Rows: 40, XFF: 0.5})
	for i := range 199 {
		s := d.Sources[0]
		s.Name = strconv.Itoa(i)
		d.Sources = append(d.Sources, s)
	}
	p.create("wide", d, rrdtest.T0)
	p.create("narrow", minuteSet(), rrdtest.T0)
	for i := range 6 {
		from := rrdtest.T0 + rrd.Time(i*30*60)*rrd.Second
		p.stream("wide", from, 30)
		p.stream("narrow", from, 30)
		p.maintain()
		p.reopen()
		p.same("wide", "narrow")
	}
}

// beginImport begins to import a copy of a set, and leaves it so.
func (p *setPair) beginImport(from, to string) (*rrd.SetImage, *setBirth, *set) {
	p.Helper()
	image, err := p.want.ExportSet(p.Context(), from)
	if err != nil {
		p.Fatal(err)
	}
	b := &setBirth{name: to, def: image.Definition, start: image.State.Last, shared: true}
	s, _, err := p.st.table.addSet(b)
	if err != nil {
		p.Fatal(err)
	}
	return image, b, s
}

// TestImportKilled: a set is there when its import has come to its end, and
// not before.
func TestImportKilled(t *testing.T) {
	t.Parallel()
	p := newSetPair(t, Options{Now: late2033, Every: time.Hour})
	defer func() { closeStore(t, p.st) }()
	p.create("a", minuteSet(), rrdtest.T0)
	p.stream("a", rrdtest.T0, 500)
	image, _, s := p.beginImport("a", "b")
	state, err := rrd.RestoreSet(image.Definition, image.State)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.st.importData(t.Context(), s, image, state); err != nil {
		t.Fatal(err)
	}
	p.maintain()
	for range 2 {
		if got := p.st.ListSets("b"); len(got) != 0 || p.st.Series() != 1 {
			t.Errorf("sets %v", got)
		}
		p.reopen()
		if p.st.table.at(s.id).of.life.Load() != gone {
			t.Error("rows of an import that nobody goes on with are kept")
		}
	}
	p.both(func(s rrd.SetStore) error { return s.ImportSet(t.Context(), "b", image, false) })
	p.reopen()
	p.same("a", "b")
}

// TestSeasonsAreBounded: what is in memory all the time is refused before it is
// made, whatever a client defines.
func TestSeasonsAreBounded(t *testing.T) {
	t.Parallel()
	st := openStore(t, t.TempDir(), Options{Now: late2033, Every: time.Hour})
	defer closeStore(t, st)
	for period, want := range map[string]string{"1000": "", "1000000": "seasons"} {
		d, err := rrd.ParseSetDefinition(time.Second, []string{"DS:a:GAUGE:600:U:U", "RRA:HWPREDICT:" + period + ":0.1:0.1:" + period})
		if err != nil {
			t.Fatal(err)
		}
		err = st.CreateSet(t.Context(), "a"+period, d, rrdtest.T0, false)
		if got := fmt.Sprint(err); (err == nil) != (want == "") || !strings.Contains(got, want) {
			t.Errorf("a period of %s: %s", period, got)
		}
	}
	st.table.sets.seasons = maxSeasons
	d, err := rrd.ParseSetDefinition(time.Second, []string{"DS:a:GAUGE:600:U:U", "RRA:HWPREDICT:10:0.1:0.1:10"})
	if err == nil {
		err = st.CreateSet(t.Context(), "one more", d, rrdtest.T0, false)
	}
	if err == nil {
		t.Error("the seasons of all sets have no bound")
	}
}

// TestImportsOverlap: queries find sets whose imports end in another order than
// they began in.
func TestImportsOverlap(t *testing.T) {
	t.Parallel()
	p := newSetPair(t, Options{Now: late2033, Every: time.Hour})
	defer func() { closeStore(t, p.st) }()
	p.create("a", minuteSet(), rrdtest.T0)
	p.stream("a", rrdtest.T0, 10)
	image, b, s := p.beginImport("a", "b")
	if err := p.st.ImportSet(t.Context(), "c", image, false); err != nil {
		t.Fatal(err)
	}
	if _, err := p.st.table.reveal(s, b); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b", "c"} {
		found, err := p.st.table.find([]rrd.Matcher{
			{Label: rrd.NameLabel, Op: rrd.Equal, Value: name}, {Label: "ds", Op: rrd.NotEqual, Value: ""},
		}, 0)
		if err != nil || len(found) != len(image.Definition.Sources) {
			t.Errorf("%s: %d series, %v", name, len(found), err)
		}
	}
}

// TestLongGap: one reading may make as many rows as a ring holds.
func TestLongGap(t *testing.T) {
	t.Parallel()
	const rows = 300_000
	p := newSetPair(t, Options{Now: late2033, Every: time.Hour})
	defer func() { closeStore(t, p.st) }()
	d := minuteSet()
	d.Archives = []rrd.SetArchive{{CF: rrd.Average, Steps: 1, Rows: rows}}
	d.Sources[0].Heartbeat = 2 * rows * d.Step
	p.create("a", d, rrdtest.T0)
	gap := rrd.SetUpdate{Name: "a", Time: rrdtest.T0.Add(rows * d.Step), Texts: []string{"0.333"}}
	for range 2 {
		p.both(func(s rrd.SetStore) error { return s.UpdateSets(t.Context(), []rrd.SetUpdate{gap}) })
		gap.Time = gap.Time.Add(rows * d.Step / 2)
	}
	p.same("a")
}

// TestSilentSets: a set keeps its rows for as long as it is silent, and the
// disk that this takes is bounded.
func TestSilentSets(t *testing.T) {
	t.Parallel()
	p := newSetPair(t, Options{Now: late2033, Every: time.Hour})
	defer func() { closeStore(t, p.st) }()
	d := setOf(rrd.SetArchive{CF: rrd.Average, Steps: 1, Rows: 90}, rrd.SetArchive{CF: rrd.Max, Steps: 6, Rows: 40})
	names := []string{"old", "slow", "dropped", "live"}
	for i, name := range names {
		p.create(name, d, rrdtest.T0-rrd.Time(i%2*500*86400)*rrd.Second)
		p.stream(name, rrdtest.T0-rrd.Time(i%2*500*86400)*rrd.Second, 100)
	}
	p.both(func(s rrd.SetStore) error { return s.DropSet(t.Context(), "dropped") })
	for i := range 12 {
		p.stream("live", rrdtest.T0+rrd.Time(i*60*60)*rrd.Second, 60)
		p.stream("slow", rrdtest.T0+rrd.Time(-400*86400+i*600)*rrd.Second, 3)
		p.maintain()
		if i%5 == 4 {
			p.reopen()
		}
		p.same("old", "slow", "live")
	}
	for _, r := range p.st.ringList() {
		if len(p.st.vault.kept(r)) != 1 {
			t.Errorf("%s: generations %v", r.dir, p.st.vault.kept(r))
		}
		r.keptBytes += keptGarbage
		if err := p.st.renewKept(r); err != nil {
			t.Fatal(err)
		}
		if r.keptLive == 0 || r.keptLive > 10_000 || r.keptBytes != r.keptLive {
			t.Errorf("%s: %d bytes are live, of %d", r.dir, r.keptLive, r.keptBytes)
		}
	}
	p.same("old", "slow", "live")
	p.reopen()
	p.same("old", "slow", "live")
}

// setHistory is history for sets: in every kind of file is something, and the
// store was killed.
func setHistory(t *testing.T) *setPair {
	t.Helper()
	p := newSetPair(t, Options{Now: late2033, Every: time.Hour, StageBytes: 3000, CheckpointBytes: 6000})
	for i := range 4 {
		p.create(strconv.Itoa(i), minuteSet(), rrdtest.T0)
	}
	for round := range 20 {
		for i := range 4 {
			p.stream(strconv.Itoa(i), rrdtest.T0+rrd.Time(round*20*60)*rrd.Second, 20)
		}
		p.maintain()
	}
	if err := p.st.kill(); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestSetDamage flips bits in each file in turn: what there is of a set is what
// it held, or unknown.
func TestSetDamage(t *testing.T) {
	t.Parallel()
	p := setHistory(t)
	rng := rand.New(rand.NewPCG(7, 8))
	for _, path := range files(t, p.st.dir) {
		name := strings.TrimPrefix(path, p.st.dir)
		if ext := filepath.Ext(path); ext == ".mem" || ext == ".sst" || filepath.Base(path) == "MANIFEST" || filepath.Base(path) == "KEYREGISTRY" {
			continue // Badger's own, see TestDamagedEpoch
		}
		copied := t.TempDir()
		if err := os.CopyFS(copied, os.DirFS(p.st.dir)); err != nil {
			t.Fatal(err)
		}
		flipBits(t, rng, filepath.Join(copied, name))
		o := p.st.o
		o.Log = nil
		st := openStore(t, copied, o)
		p.subset(st, name)
		if err := st.kill(); err != nil {
			t.Error(err)
		}
	}
}

// subset fails where a store answers what the sets never held.
func (p *setPair) subset(st *Store, damaged string) {
	p.Helper()
	for _, name := range p.want.ListSets("") {
		for _, cf := range []rrd.CF{rrd.Average, rrd.Max} {
			for _, row := range []time.Duration{time.Minute, 5 * time.Minute, time.Hour} {
				q := rrd.SetQuery{Name: name, CF: cf, Start: rrdtest.T0, End: rrdtest.T0 + 400*60*rrd.Second, Resolution: row}
				want, err := p.want.FetchSet(p.Context(), q)
				if err != nil {
					p.Fatal(err)
				}
				got, err := st.FetchSet(p.Context(), q)
				if errors.Is(err, rrd.ErrNoSet) || err == nil && got.Archive != want.Archive {
					continue
				}
				if err != nil {
					p.Fatal(err)
				}
				for i, v := range got.Values {
					if !math.IsNaN(v) && v != want.Values[i] {
						p.Errorf("%s damaged: set %s, %s of %v, row %d: %v, want %v", damaged, name, cf, row, i, v, want.Values[i])
						return
					}
				}
			}
		}
	}
}

// TestSetPower: readings that were acknowledged survive a power failure, and a
// replay of them changes nothing.
func TestSetPower(t *testing.T) {
	t.Parallel()
	disk := &lossyFS{synced: map[string]int64{}}
	p := newSetPair(t, Options{FS: disk, Now: late2033, Every: time.Hour})
	p.create("a", minuteSet(), rrdtest.T0)
	for i := range 5 {
		p.stream("a", rrdtest.T0+rrd.Time(i*300)*rrd.Second, 5)
		left := disk.snapshot()
		if err := p.st.kill(); err != nil {
			t.Fatal(err)
		}
		for name, size := range left {
			if err := os.Truncate(name, size); err != nil {
				t.Fatal(err)
			}
		}
		p.st = openStore(t, p.st.dir, p.st.o)
		p.same("a")
	}
	closeStore(t, p.st)
}

// TestSetsConcurrent updates, reads, replaces, imports and maintains at once;
// run it with -race.
func TestSetsConcurrent(t *testing.T) {
	t.Parallel()
	p := newSetPair(t, Options{Now: late2033, Every: time.Hour, StageBytes: 5000, CheckpointBytes: 10_000})
	defer func() { closeStore(t, p.st) }()
	p.create("model", minuteSet(), rrdtest.T0)
	p.stream("model", rrdtest.T0, 50)
	image, err := p.want.ExportSet(t.Context(), "model")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for w := range 3 {
		wg.Go(func() {
			name := strconv.Itoa(w % 2) // two of them fight for one
			for i := range 30 {
				var err error
				switch i % 10 {
				case 0:
					err = p.st.CreateSet(t.Context(), name, minuteSet(), rrdtest.T0, true)
				case 1:
					err = p.st.CreateSet(t.Context(), fmt.Sprint(w, " ", i), minuteSet(), rrdtest.T0, false)
				case 5:
					err = p.st.ImportSet(t.Context(), name, image, true)
				default:
					err = p.st.UpdateSets(t.Context(), []rrd.SetUpdate{{Name: name, Time: rrdtest.T0 + rrd.Time(i*60)*rrd.Second, Texts: []string{"1"}}})
				}
				if err != nil && !isBatchError(err) {
					t.Error(err)
				}
			}
		})
	}
	wg.Go(func() {
		for range 30 {
			for _, name := range p.st.ListSets("") {
				if _, err := p.st.ExportSet(t.Context(), name); err != nil && !errors.Is(err, rrd.ErrNoSet) {
					t.Error(err)
				}
			}
			if _, err := rrdtest.Collect(t.Context(), p.st, rrd.Query{End: math.MaxInt64 / 2, Columns: []rrd.Column{rrd.ColMax}}); err != nil {
				t.Error(err)
			}
			if err := p.st.maintain(); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
	p.same("model")
}

// TestSetSeasons: sets of the Holt-Winters family, whose seasons are part of
// the state, and data sources that are computed.
func TestSetSeasons(t *testing.T) {
	t.Parallel()
	p := newSetPair(t, Options{Now: late2033, Every: time.Hour, StageBytes: 3000, CheckpointBytes: 6000})
	defer func() { closeStore(t, p.st) }()
	d, err := rrd.ParseSetDefinition(time.Minute, []string{
		"DS:in:GAUGE:120:U:U", "DS:twice:COMPUTE:in,2,*", "RRA:AVERAGE:0.5:1:60", "RRA:HWPREDICT:200:0.1:0.0035:20",
	})
	if err != nil {
		t.Fatal(err)
	}
	p.create("hw", d, rrdtest.T0)
	for i := range 6 {
		var batch []rrd.SetUpdate
		for k := range 25 {
			n := i*25 + k
			batch = append(batch, rrd.SetUpdate{Name: "hw", Time: rrdtest.T0 + rrd.Time(60*(n+1))*rrd.Second, Texts: []string{strconv.Itoa(n % 20 * 3)}})
		}
		p.both(func(s rrd.SetStore) error { return s.UpdateSets(t.Context(), batch) })
		p.maintain()
		p.reopen()
		p.same("hw")
	}
	for _, cf := range []rrd.CF{rrd.HWPredict, rrd.Seasonal, rrd.DevSeasonal, rrd.Failures} {
		q := rrd.SetQuery{Name: "hw", CF: cf, Start: rrdtest.T0 + 6000*rrd.Second, End: rrdtest.T0 + 9000*rrd.Second}
		want, err1 := p.want.FetchSet(t.Context(), q)
		got, err2 := p.st.FetchSet(t.Context(), q)
		if d := cmp.Diff(want, got, cmpopts.EquateNaNs()); d != "" || err1 != nil || err2 != nil {
			t.Errorf("%s (-want +got): %v %v\n%s", cf, err1, err2, d)
		}
	}
	image, err := p.want.ExportSet(t.Context(), "hw")
	if err != nil {
		t.Fatal(err)
	}
	p.both(func(s rrd.SetStore) error { return s.ImportSet(t.Context(), "copy", image, false) })
	p.reopen()
	p.same("hw", "copy")
}

// TestSetFuture: a clock that is wrong by more than a day empties no ring, and
// makes no set.
func TestSetFuture(t *testing.T) {
	t.Parallel()
	now := rrdtest.T0
	var log strings.Builder
	o := Options{Now: func() time.Time { return now.Std() }, Every: time.Hour, Log: slog.New(slog.NewTextHandler(&log, nil))}
	st := openStore(t, t.TempDir(), o)
	defer func() { closeStore(t, st) }()
	d := setOf(rrd.SetArchive{CF: rrd.Average, Steps: 1, Rows: 10, XFF: 0.5})
	const day = 86400 * rrd.Second
	if err := st.CreateSet(t.Context(), "x", d, now, false); err != nil {
		t.Fatal(err)
	}
	err := st.UpdateSets(t.Context(), []rrd.SetUpdate{
		{Name: "x", Time: now + day + rrd.Second, Texts: []string{"1"}},
		{Name: "x", Time: now + 60*rrd.Second, Texts: []string{"2"}},
		{Name: "x", Time: now + day, Texts: []string{"3"}},
	})
	batch, ok := errors.AsType[*rrd.BatchError](err)
	if !ok || len(batch.Refused) != 1 || batch.Refused[0].Index != 0 {
		t.Fatal(err)
	}
	want := rrd.Refused{Series: "x", Reason: rrd.RefusedFuture, Detail: "time in the future: 2023-11-15T00:00:01Z is more than 1d ahead of our clock"}
	if d := cmp.Diff(want, batch.Refused[0], cmpopts.IgnoreFields(rrd.Refused{}, "Err")); d != "" {
		t.Errorf("refused (-want +got):\n%s", d)
	}
	st.Stats().Refused(func(r rrd.Refusal, n int64) {
		if (n == 1) != (r == rrd.RefusedFuture) {
			t.Errorf("%d counted as %s", n, r)
		}
	})
	if err := st.CreateSet(t.Context(), "y", d, now+2*day, false); !errors.Is(err, rrd.ErrSetFuture) {
		t.Errorf("created: %v", err)
	}
	// A file is what it is.
	image, err := st.ExportSet(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	now -= day
	if err := st.ImportSet(t.Context(), "z", image, false); err != nil || !strings.Contains(log.String(), "in the future") {
		t.Errorf("%v, %s", err, &log)
	}
}
