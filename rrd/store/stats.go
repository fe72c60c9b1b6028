package store

import (
	"io/fs"
	"path/filepath"
	"sync/atomic"

	"rondo/rrd"
)

// Stats counts what a store did since it was opened.
type Stats struct {
	Samples      atomic.Int64 // taken
	Repeated     atomic.Int64 // seen again, stored once
	Overwritten  atomic.Int64 // primary points, by hand
	Corrected    atomic.Int64 // late samples that corrected rows
	Replayed     atomic.Int64 // taken from the log at Open
	SettledEarly atomic.Int64 // windows that grew too large
	Blocks       atomic.Int64 // written
	BlockBytes   atomic.Int64
	Checkpoints  atomic.Int64
	Expired      atomic.Int64 // epochs removed as the rings turned
	Damaged      atomic.Int64 // pieces of damage found
	Changed      atomic.Int64 // series that got another definition

	refusals [len(refusals)]atomic.Int64
}

var refusals = [...]rrd.Refusal{
	rrd.RefusedKey, rrd.RefusedValue, rrd.RefusedLimit, rrd.RefusedLate, rrd.RefusedInexact,
	rrd.RefusedFuture, rrd.RefusedSeriesMax, rrd.RefusedConflict, rrd.RefusedSet,
}

func (s *Stats) refused(reason rrd.Refusal) {
	for i, r := range refusals {
		if r == reason {
			s.refusals[i].Add(1)
		}
	}
}

// Refused calls f with each reason and how many samples were refused for it.
func (s *Stats) Refused(f func(rrd.Refusal, int64)) {
	for i, r := range refusals {
		f(r, s.refusals[i].Load())
	}
}

// Stats returns the store's counters, which go on counting.
func (st *Store) Stats() *Stats { return &st.stats }

// Disk is what an archive, the log and the rest take on disk.
type Disk struct {
	Name  string // "10s-8640", "log", "series", "checkpoint"
	Bytes int64
}

// Disk returns the bytes on disk by part, as they are allocated.
func (st *Store) Disk() ([]Disk, error) {
	var out []Disk
	for _, name := range []string{"log", "series", "checkpoint", "checkpoint.old"} {
		n, err := usage(filepath.Join(st.dir, name))
		if err != nil {
			return nil, err
		}
		out = append(out, Disk{name, n})
	}
	for _, r := range st.ringList() {
		n, err := usage(r.dir)
		if err != nil {
			return nil, err
		}
		out = append(out, Disk{filepath.Base(r.dir), n})
	}
	return out, nil
}

// usage sums the bytes allocated below a path. What vanishes meanwhile does
// not count.
func usage(root string) (total int64, err error) {
	err = filepath.WalkDir(root, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return ignoreMissing(err)
		}
		info, err := e.Info()
		if err == nil {
			total += allocated(info)
		}
		return ignoreMissing(err)
	})
	return total, err
}
