package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"rondo/rrd/seglog"
)

// Snapshot makes dir a copy of the store as a kill at this moment would leave
// it: [Open] of it finds everything that was acknowledged before. dir must be
// on the same file system and not exist yet; nothing may write to what is in
// it, since files that never change again are hard links, which is why it
// takes a second at most and hardly any disk.
//
// Samples are taken meanwhile. What waits is the writing of blocks, and
// queries of an epoch that is being written to, for as long as its files are
// closed and linked.
func (st *Store) Snapshot(dir string) error {
	st.flushMu.Lock() // nobody writes blocks or checkpoints
	defer st.flushMu.Unlock()
	if err := st.snapshot(dir); err != nil {
		return fmt.Errorf("store: snapshot: %w", err)
	}
	return nil
}

// snapshot copies checkpoint and blocks first, of which the log knows all.
func (st *Store) snapshot(dir string) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	checkpoints, from := []string{"checkpoint"}, seglog.Pos(0)
	if err := st.writeCheckpoint(); err == nil {
		from = st.checkpoint
	} else {
		// As on a full disk. Those that are there, and all of the log, serve
		// as well; the copy takes longer to open.
		st.o.Log.Warn("snapshot without a new checkpoint", "dir", st.dir, "err", err)
		checkpoints = append(checkpoints, "checkpoint.old")
	}
	for _, name := range checkpoints {
		if err := os.Link(filepath.Join(st.dir, name), filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	for _, r := range st.ringList() {
		to := filepath.Join(dir, "blocks", filepath.Base(r.dir))
		if err := st.vault.snapshot(r, to); err != nil {
			return err
		}
		if r.young == nil {
			continue
		}
		if err := st.vault.snapshot(r.young, filepath.Join(to, filepath.Base(r.young.dir))); err != nil {
			return err
		}
	}
	if err := st.cloneNotes(dir); err != nil {
		return err
	}
	log, series := st.ends()
	return errors.Join(
		st.log.Snapshot(filepath.Join(dir, "log"), from, log),
		st.table.log.Snapshot(filepath.Join(dir, "series"), 0, series),
	)
}

// cloneNotes copies the audit, and the change that is running: it goes on in
// the copy.
func (st *Store) cloneNotes(dir string) error {
	st.jobMu.Lock()
	defer st.jobMu.Unlock()
	st.auditMu.Lock()
	defer st.auditMu.Unlock()
	return seglog.CloneDir(st.dir, dir, func(name string) seglog.Clone {
		if name == auditFile || name == changeFile {
			return seglog.Copy
		}
		return seglog.Leave
	})
}

// ends are the ends of both logs at one moment: the log may have no sample of
// a series that the table does not know, and the table no set whose import is
// not in the log. Samples are logged with a shard held, and an import before
// the table is told.
func (st *Store) ends() (log, series seglog.Pos) {
	st.lockShards(allShards)
	defer st.unlockShards(allShards)
	series = st.table.log.End()
	return st.log.End(), series
}

// allShards is the mask of all shards.
const allShards = 1<<numShards - 1

// snapshot copies the epochs of a ring. The caller sees to it that nobody
// opens one to write.
func (v *vault) snapshot(r *ring, dir string) error {
	for _, n := range v.epochs(r) {
		if err := v.clone(r, n, dir); err != nil {
			return fmt.Errorf("epoch %s: %w", epochDir(r, n), err)
		}
	}
	return nil
}

func (v *vault) clone(r *ring, n uint32, dir string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.rest(epochKey{r, n}); err != nil {
		return err
	}
	if !r.epochs[n] {
		return nil // set aside meanwhile
	}
	src := epochDir(r, n)
	return seglog.CloneDir(src, filepath.Join(dir, filepath.Base(src)), seglog.BadgerFiles)
}

// rest closes an epoch that is open for writing, so that its files are whole:
// a writer's are mapped, longer than what is in them, and without the newest
// keys. New users wait until the present ones have gone. v.mu is held.
func (v *vault) rest(key epochKey) error {
	defer v.free.Broadcast()
	for {
		e := v.open[key]
		if e == nil || !e.writable {
			return nil
		}
		if e.refs == 0 {
			return v.closeEpoch(e)
		}
		e.leaving = true
		v.free.Wait()
	}
}
