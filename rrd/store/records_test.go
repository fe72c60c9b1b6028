package store

import (
	"math"
	"sync"
	"testing"
	"time"

	"rondo/rrd"
	"rondo/rrd/rrdtest"
)

// What records are read by.
const (
	byReplay = iota // those of the log
	byTable         // of the series table
	byCheckpoint
	numReaders
)

// small is a store that a few records make sense in: series 0 and 1, and from
// ids 2 and 4 on the sets a and hw.
func small(t testing.TB) *Store {
	t.Helper()
	o := Options{
		Define: rrdtest.SmallByName, Now: func() time.Time { return (rrdtest.T0 + 3600*rrd.Second).Std() },
		Every: time.Hour, FS: &lossyFS{synced: map[string]int64{}},
	}
	st := openStore(t, t.TempDir(), o)
	if err := st.Append(t.Context(), []rrd.Sample{gauge("g1", 0, 1), {Key: "c1", Time: rrdtest.T0, Value: 2, Type: rrd.Counter}}); err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"a":  {"DS:in:GAUGE:120:U:U", "DS:twice:COMPUTE:in,2,*", "RRA:AVERAGE:0.5:1:30", "RRA:MAX:0.5:3:20"},
		"hw": {"DS:in:GAUGE:120:U:U", "RRA:AVERAGE:0.5:1:30", "RRA:HWPREDICT:30:0.1:0.0035:10"},
	} {
		d, err := rrd.ParseSetDefinition(time.Minute, args)
		if err == nil {
			err = st.CreateSet(t.Context(), name, d, rrdtest.T0, true)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return st
}

// everyRecord makes every kind of record.
func (l *life) everyRecord(t testing.TB) {
	t.Helper()
	st := l.Store
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range 40 {
		at := rrdtest.T0 + rrd.Time(60*(i+1))*rrd.Second
		must(st.UpdateSets(t.Context(), []rrd.SetUpdate{{Name: "a", Time: at, Texts: []string{"1.5"}}, {Name: "hw", Time: at, Texts: []string{"7"}}}))
		must(st.Append(t.Context(), []rrd.Sample{gauge("g1", 60*i, float64(i))}))
	}
	must(st.Append(t.Context(), []rrd.Sample{gauge("g1", 1520, 3)})) // late: older than the window
	d := rrdtest.Small(rrd.Gauge)
	d.Heartbeat *= 2
	must(l.Redefine("g1", d))
	for _, name := range []string{"a", "hw"} {
		image, err := st.ExportSet(t.Context(), name)
		must(err)
		must(st.ImportSet(t.Context(), "copy of "+name, image, false))
	}
	must(st.DropSet(t.Context(), "copy of a"))
}

// records calls f with all that the readers would read of a store.
func (st *Store) records(t testing.TB, f func(reader byte, b []byte)) {
	t.Helper()
	for rec, err := range st.log.Records(0) {
		if err != nil {
			t.Fatal(err)
		}
		f(byReplay, rec.Data)
	}
	for rec, err := range st.table.log.Records(0) {
		if err != nil {
			t.Fatal(err)
		}
		f(byTable, rec.Data)
	}
	for _, pg := range st.table.pageList() {
		f(byCheckpoint, st.appendPage(nil, pg))
	}
}

// read gives a record to its reader.
func (st *Store) read(by byte, b []byte) error {
	switch by % numReaders {
	case byReplay:
		r := &replayer{st: st, pending: &sync.WaitGroup{}}
		if ofSets(b) {
			return r.applySets(b)
		}
		return r.apply(math.MaxInt64/2, b)
	case byTable:
		st.table.mu.Lock()
		defer st.table.mu.Unlock()
		return st.table.loadRecord(b)
	}
	return st.loadPage(0, 0, b)
}

// FuzzRecords gives each reader of records nonsense whose checksum is right. It
// may refuse it, or take it; what there is then can be asked for and written.
func FuzzRecords(f *testing.F) {
	st := small(f)
	l := &life{unsynced: unsynced{st}}
	l.everyRecord(f)
	kinds := map[string]bool{}
	st.records(f, func(by byte, b []byte) {
		f.Add(by, b)
		kinds[string([]byte{'0' + by, b[0]})] = true
	})
	for _, want := range []string{"0P", "0U", "0I", "0S", "0C", "0L", "1D", "1S", "1T", "1C", "1L", "1X"} {
		if !kinds[want] {
			f.Errorf("no seed %s: there are %v", want, kinds)
		}
	}
	if err := st.kill(); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, by byte, b []byte) {
		if id := (&reader{b: b[min(1, len(b)):]}).uvarint(); len(b) == 0 || id > 1000 {
			return // the logs have no empty records, and ids may be many: they are memory
		}
		st := small(t)
		_ = st.read(by, b)
		for _, name := range st.ListSets("") {
			if _, err := st.ExportSet(t.Context(), name); err != nil {
				t.Errorf("set %s: %v", name, err)
			}
		}
		if _, err := rrdtest.Collect(t.Context(), st, rrd.Query{Start: 0, End: math.MaxInt64 / 2, Columns: []rrd.Column{rrd.ColAverage}}); err != nil {
			t.Error(err)
		}
		for _, pg := range st.table.pageList() {
			st.appendPage(nil, pg)
		}
		if err := st.kill(); err != nil {
			t.Error(err)
		}
	})
}
