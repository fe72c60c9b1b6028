package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"rondo/rrd/seglog"
)

// changePages is how many pages are changed at a time, while no blocks are
// written: a second or so of moving rows where series have years of them.
const changePages = 16

// A Progress is how far a change has come.
type Progress struct {
	Change  Change    `json:"change"`
	What    string    `json:"what"`
	Started time.Time `json:"started"` // or when it was resumed
	Ended   time.Time `json:"ended"`   // zero while it runs
	Total   int       `json:"total"`   // series, when it first started
	Done    int       `json:"done"`
	Before  int       `json:"before"` // of these, done before it was resumed
	Rows    int64     `json:"rows"`   // written to new archives
	Bytes   int64     `json:"bytes"`  // of blocks
	Stopped bool      `json:"stopped"`
	Trouble string    `json:"trouble,omitempty"` // why it waits, to try again
}

// Remaining is how long it will take at the pace so far; 0 if that is not
// known.
func (p *Progress) Remaining(now time.Time) time.Duration {
	if p.Done == p.Before || !p.Ended.IsZero() {
		return 0
	}
	return now.Sub(p.Started) / time.Duration(p.Done-p.Before) * time.Duration(p.Total-p.Done)
}

// A job is the change that is running, or was the last.
type job struct {
	plan *plan
	stop context.CancelCauseFunc

	mu sync.Mutex
	p  Progress
}

func (j *job) progress() Progress {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.p
}

func (j *job) update(f func(*Progress)) {
	j.mu.Lock()
	defer j.mu.Unlock()
	f(&j.p)
}

var errStopped = errors.New("stopped")

// Change begins a change, which then goes on in the background, also after a
// restart. One can run at a time; the error of a second is ErrChanging.
// Samples are taken as ever meanwhile, and every answer is whole: of a series
// before its change, or after.
func (st *Store) Change(c Change) (Progress, error) {
	st.jobMu.Lock()
	defer st.jobMu.Unlock()
	if st.job != nil && st.job.progress().Ended.IsZero() {
		return Progress{}, ErrChanging
	}
	p, err := st.planned(&c)
	if err == nil {
		err = st.saveChange(&savedChange{c, len(p.wants)})
	}
	if err == nil {
		err = st.startChange(&savedChange{c, len(p.wants)}, p)
	}
	if err != nil {
		return Progress{}, fmt.Errorf("store: change: %w", err)
	}
	return st.job.progress(), nil
}

// startChange begins a change that is on disk. The caller holds jobMu.
func (st *Store) startChange(c *savedChange, p *plan) error {
	for i := range p.kinds {
		def, err := st.table.intern(p.kinds[i].to)
		if err != nil {
			return err
		}
		p.kinds[i].def = def
	}
	if err := st.table.settled(st.ctx); err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(st.ctx)
	total := max(c.Total, len(p.wants)) // there may be new series since
	done := total - len(p.wants)
	st.job = &job{plan: p, stop: stop, p: Progress{Change: c.Change, What: c.String(), Started: time.Now(), Total: total, Done: done, Before: done}}
	j := st.job
	st.wg.Go(func() { st.runChange(ctx, j) })
	return nil
}

// Changing returns the change that is running, or else the last one since
// Open; false if there was none.
func (st *Store) Changing() (Progress, bool) {
	st.jobMu.Lock()
	defer st.jobMu.Unlock()
	if st.job == nil {
		return Progress{}, false
	}
	return st.job.progress(), true
}

// StopChange ends the change that is running. Series that have changed remain
// so. The error is ErrNoChange if there is none.
func (st *Store) StopChange() error {
	st.jobMu.Lock()
	defer st.jobMu.Unlock()
	if st.job == nil || !st.job.progress().Ended.IsZero() {
		return ErrNoChange
	}
	if err := st.forgetChange(); err != nil {
		return fmt.Errorf("store: stop change: %w", err)
	}
	st.job.stop(errStopped)
	return nil
}

// runChange changes group after group of pages, and tries again what fails.
func (st *Store) runChange(ctx context.Context, j *job) {
	cv := newConverter(st)
	todo := j.plan.wants
	for len(todo) > 0 && ctx.Err() == nil {
		n, err := st.changeGroup(ctx, j, cv, todo)
		j.update(func(p *Progress) {
			p.Rows, p.Bytes = cv.made, cv.moved
			if p.Trouble = ""; err != nil && ctx.Err() == nil {
				p.Trouble = err.Error()
			} else if err == nil {
				p.Done += n
			}
		})
		switch {
		case err == nil:
			todo = todo[n:]
		case ctx.Err() == nil:
			st.o.Log.Error("series cannot be changed, trying again", "dir", st.dir, "err", err)
			wait(ctx, st.o.Every)
		}
	}
	st.endChange(ctx, j)
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// changeGroup changes the series of the next few pages, and returns how many
// of todo they are.
func (st *Store) changeGroup(ctx context.Context, j *job, cv *converter, todo []want) (n int, err error) {
	var pages []*page
	all, to := st.table.pageList(), map[uint32]*definition{}
	for ; n < len(todo); n++ {
		pg := all[todo[n].id/pageSeries]
		if len(pages) == 0 || pages[len(pages)-1] != pg {
			if len(pages) == changePages {
				break
			}
			pages = append(pages, pg)
		}
		to[todo[n].id] = j.plan.kinds[todo[n].kind].def
	}
	st.flushMu.Lock()
	defer st.flushMu.Unlock()
	changed, err := st.redefine(pages, to, cv, ctx.Err)
	st.stats.Changed.Add(int64(changed))
	return n, err
}

// endChange forgets a change that is done or was stopped. One that the store's
// end interrupts stays on disk and is resumed.
func (st *Store) endChange(ctx context.Context, j *job) {
	cause := context.Cause(ctx)
	j.stop(nil)
	if cause != nil && !errors.Is(cause, errStopped) {
		return
	}
	st.jobMu.Lock()
	defer st.jobMu.Unlock()
	if err := st.forgetChange(); err != nil {
		st.o.Log.Error("a change that is done will be looked at again", "dir", st.dir, "err", err)
	}
	j.update(func(p *Progress) { p.Ended, p.Stopped = time.Now(), cause != nil })
	p := j.progress()
	st.o.Log.Info("change of series ended", "what", p.What, "series", p.Done, "of", p.Total, "stopped", p.Stopped)
}

// The change that is running is in a file of its own.
const changeFile = "change.json"

type savedChange struct {
	Change
	Total int // series that it was to change
}

func (st *Store) changePath() string { return filepath.Join(st.dir, changeFile) }

func (st *Store) saveChange(c *savedChange) error {
	b, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return seglog.Replace(st.changePath(), b)
}

func (st *Store) forgetChange() error {
	return errors.Join(ignoreMissing(os.Remove(st.changePath())), seglog.SyncDir(st.dir))
}

// resumeChange goes on with the change that the last run did not end. What it
// has changed already has the definition that is wanted. Its jobs are those of
// the series that have not.
func (st *Store) resumeChange() error {
	b, err := os.ReadFile(st.changePath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var c savedChange
	if err := json.Unmarshal(b, &c); err != nil {
		st.report(fmt.Errorf("%s: %w", st.changePath(), err))
		return setAside(st.changePath())
	}
	st.jobMu.Lock()
	defer st.jobMu.Unlock()
	p, err := st.plan(&c.Change)
	if err != nil {
		st.report(fmt.Errorf("the change that was running cannot go on: %w", err))
		return setAside(st.changePath())
	}
	st.o.Log.Info("change of series is resumed", "what", c.String(), "series", len(p.wants))
	return st.startChange(&c, p)
}
