package store

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"rondo/rrd"
	"rondo/rrd/seglog"
)

// An Overwrite puts one sample in the place of all that a slot holds.
type Overwrite struct {
	Key   rrd.Key
	Time  rrd.Time // any in the slot
	Value float64  // NaN: the slot becomes unknown
	By    string   // who asks for it, for the audit
}

// Errors of Overwrite.
var (
	ErrOpenSlot = errors.New("the slot is still open; send the sample again instead, the last value for a time counts")
	ErrNotWhole = errors.New("the primary rows of the rows that it belongs to are not all there")
)

// Overwrite replaces a primary point, makes all longer rows that hold it anew,
// and returns what the audit has of it. When it returns, the audit and the
// change are on disk, in this order.
//
// A counter's totals stay as they are: they tell of neighbouring samples, and a
// point put in by hand has none; so an empty slot can only be filled for gauges. What is younger than the slot's next sample is
// settled; samples that come for earlier slots thereafter come late.
func (st *Store) Overwrite(ctx context.Context, o Overwrite) (Audit, error) {
	a, err := st.overwrite(&o)
	if err == nil {
		err = st.log.Commit(ctx, st.log.End())
	}
	if err != nil {
		return a, fmt.Errorf("store: overwrite %s at %s: %w", o.Key, o.Time.Std().Format(time.RFC3339Nano), err)
	}
	st.stats.Overwritten.Add(1)
	st.o.Log.Info("primary point overwritten", "series", o.Key.String(), "at", o.Time.Std(), "by", o.By, "old", a.Old, "new", o.Value)
	return a, nil
}

func (st *Store) overwrite(o *Overwrite) (Audit, error) {
	batch := []rrd.Sample{{Key: o.Key}}
	found, missing := st.table.resolve(batch, nil)
	if missing {
		return Audit{}, ErrNoSeries
	}
	st.moving.RLock()
	defer st.moving.RUnlock()
	s := found[0]
	sh := st.shard(s.id)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	switch {
	case s.key != o.Key || s.def == nil:
		return Audit{}, ErrNoSeries
	case s.of != nil:
		return Audit{}, errors.New("it belongs to a set, which takes no corrections")
	case math.IsInf(o.Value, 0):
		return Audit{}, fmt.Errorf("%v is no finite number", o.Value)
	case !math.IsNaN(o.Value) && !s.def.Allowed(o.Value):
		return Audit{}, fmt.Errorf("%v is outside of %v to %v", o.Value, s.def.Min, s.def.Max)
	}
	end := slotEnd(o.Time, s.def.rings[0].row)
	if err := st.closeSlot(sh, s, end); err != nil {
		return Audit{}, err
	}
	e, fresh, err := st.prepare(s, end, o.Value)
	if err != nil {
		return Audit{}, err
	}
	old := e.slot(end).row
	e.put(slot{row: fresh})
	a := newAudit(o, end, &old)
	if err := st.audit(&a); err != nil {
		return a, err
	}
	if err := e.commit(); err != nil {
		a.Failed = err.Error()
		return a, errors.Join(err, st.audit(&a))
	}
	return a, nil
}

// closeSlot sees to it that a slot is settled, early if need be, which a replay
// then does too. There must be a newer sample.
func (st *Store) closeSlot(sh *shard, s *series, end rrd.Time) error {
	st.settleDue(sh, s)
	if open, ok := st.foldOf(s).OpenEnd(0); ok && end < open {
		return nil
	}
	ps := s.win.points(nil)
	i := slices.IndexFunc(ps, func(p rrd.Point) bool { return p.Time > end })
	if i < 0 {
		return ErrOpenSlot
	}
	st.settle(sh, s, ps[i].Time)
	return st.logCorrection(s, &correction{settled: ps[i].Time, rows: make([][]rrd.Row, len(s.def.rings))})
}

// prepare returns an editor that has all rows about a slot, and the primary
// row to be.
func (st *Store) prepare(s *series, end rrd.Time, value float64) (*editor, rrd.Row, error) {
	e := st.editor(s)
	e.clock = rrd.Time(st.clock.Load())
	after, upTo, whole := e.span(end)
	if !whole {
		return nil, rrd.Row{}, ErrNotWhole
	}
	if err := e.load(after, upTo); err != nil {
		return nil, rrd.Row{}, err
	}
	if !e.consistent(end) {
		return nil, rrd.Row{}, ErrNotWhole
	}
	row := rrd.Row{End: end}
	if math.IsNaN(value) {
		return e, row, nil
	}
	row.Count, row.Sum, row.Min, row.Max, row.Last = 1, value, value, value, value
	old := e.slot(end).row
	if row.Total = old.Total; old.Count == 0 && !s.def.gauge {
		return nil, row, fmt.Errorf("the slot is empty, and what the total of a %s was then is not known", s.def.Type)
	}
	return e, row, nil
}

// An Audit is one overwrite as the audit file has it, a line of JSON for each.
type Audit struct {
	At     time.Time `json:"at"`
	By     string    `json:"by"`
	Series string    `json:"series"`
	Slot   time.Time `json:"slot"` // its end
	Old    *AuditRow `json:"old"`  // null: unknown
	New    *float64  `json:"new"`  // null: unknown
	Failed string    `json:"failed,omitempty"`
}

// An AuditRow is a primary row as it was.
type AuditRow struct {
	Count int64   `json:"count"`
	Sum   float64 `json:"sum"`
	Min   float64 `json:"min"`
	Max   float64 `json:"max"`
	Last  float64 `json:"last"`
}

func newAudit(o *Overwrite, end rrd.Time, old *rrd.Row) Audit {
	a := Audit{At: time.Now().UTC(), By: o.By, Series: o.Key.String(), Slot: end.Std()}
	if old.Count > 0 {
		a.Old = &AuditRow{old.Count, old.Sum, old.Min, old.Max, old.Last}
	}
	if !math.IsNaN(o.Value) {
		a.New = new(o.Value)
	}
	return a
}

const auditFile = "audit.jsonl"

// audit appends a line to the audit file, and waits until it is on the device.
func (st *Store) audit(a *Audit) error {
	line, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	st.auditMu.Lock()
	defer st.auditMu.Unlock()
	path := filepath.Join(st.dir, auditFile)
	_, missing := os.Stat(path)
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	_, err = f.Write(append(line, '\n'))
	err = errors.Join(err, f.Sync(), f.Close())
	if missing != nil {
		err = errors.Join(err, seglog.SyncDir(st.dir))
	}
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	return nil
}

// Audits returns the newest overwrites, oldest first, at most limit (0: all).
// A line that a crash has torn is left out.
func (st *Store) Audits(limit int) (out []Audit, err error) {
	f, err := os.Open(filepath.Join(st.dir, auditFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("store: audit: %w", err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var a Audit
		if json.Unmarshal(lines.Bytes(), &a) != nil {
			continue
		}
		if out = append(out, a); limit > 0 && len(out) > 2*limit {
			out = append(out[:0], out[len(out)-limit:]...)
		}
	}
	if limit > 0 && len(out) > limit {
		out = out[len(out)-limit:]
	}
	return out, lines.Err()
}
