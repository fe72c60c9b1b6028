package store

import (
	"errors"
	"math"
	"os"
)

// dropRings removes the rings that no series uses any more. A state from
// before a change may still be replayed, and then use them, for as long as the
// checkpoint before the last is older; so two checkpoints are made first. The
// caller holds flushMu.
func (st *Store) dropRings() error {
	used := map[*ring]bool{} // false: by no series now
	st.table.mu.RLock()
	for _, d := range st.table.byID {
		if d == nil {
			continue
		}
		for _, r := range d.rings {
			used[r] = used[r] || d.used.Load() > 0
		}
	}
	st.table.mu.RUnlock()
	var errs []error
	var waiting []*ring
	for r, is := range used {
		switch {
		case is || !st.vault.any(r):
			r.unused = 0
		case r.unused < 2:
			waiting = append(waiting, r)
		default:
			if r.young != nil {
				errs = append(errs, st.dropRing(r.young))
			}
			errs = append(errs, st.dropRing(r))
		}
	}
	if len(waiting) > 0 {
		err := st.writeCheckpoint()
		for _, r := range waiting {
			if err == nil {
				r.unused++
			}
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// dropRing removes what a ring has on disk.
func (st *Store) dropRing(r *ring) error {
	n, err := st.vault.expire(r, math.MaxInt64)
	st.stats.Expired.Add(int64(n))
	if err == nil && !st.vault.any(r) {
		err = ignoreMissing(os.Remove(r.dir))
	}
	return err
}

// any says whether a ring has something on disk.
func (v *vault) any(r *ring) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(r.epochs) > 0
}
