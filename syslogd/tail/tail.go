package tail

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"rondo/syslogd/syslog"
)

// A Sink takes batches. When Put returns nil, the batch is durable: its
// messages are stored, and its marks with them. Put may take as long as it
// wants; nothing is read meanwhile. It must not retain the batch or its
// strings. An error ends Run: whoever calls it again gives the marks that are
// true by then.
type Sink interface {
	Put(ctx context.Context, batch Batch) error
}

// A Batch is messages of one or several files, those of each in their order,
// and how far the files have been read with it. There may be marks without
// messages: what a filter left out, or what is not to be read.
type Batch struct {
	Messages []syslog.Message
	Marks    []Mark   // of each source its last
	Forget   []string // sources whose marks are of no use any more
}

// SinkFunc is a Sink that is a function.
type SinkFunc func(ctx context.Context, batch Batch) error

// Put calls the function.
func (f SinkFunc) Put(ctx context.Context, batch Batch) error { return f(ctx, batch) }

// Options are what a Tailer needs beside its configuration.
type Options struct {
	// State is the path of the file that keeps positions on this machine.
	// Without one, the marks that Run is given must do.
	State string
	Log   *slog.Logger
	// Host is the HOSTNAME of messages; that of the machine if empty.
	Host string
	// Rest is for how long, after the context of Run has ended, what the files have
	// by then is still read: the last lines of a machine that shuts down.
	Rest time.Duration
	// Stats are counted on, where one Tailer takes the place of another; new
	// ones if nil.
	Stats *Stats
}

// A Tailer reads files as they grow.
type Tailer struct {
	limits Limits
	rest   time.Duration
	inputs []*input
	state  string
	log    *slog.Logger
	fs     fileSystem
	stats  *Stats

	files     map[fileKey]*file
	positions *positions
	known     map[string]int64 // patterns that have been looked for: when last, in seconds since 1970
	told      map[string]int64 // the same, as the receiver knows it
	ready     []*file          // to be read, in turns
	opened    int
	pinned    *file // is compared with others: not to be closed
	unpacking *file // the one compressed file that is being read
	buf       []byte
	batch     batch
	scratch   scratch
	forget    []string
	skip      []*position // are behind content that is not to be read; to be told to the sink

	scanned  time.Time       // when all names were last looked at
	scanAt   time.Time       // when they are to be looked at next
	rescan   bool            // which is at once
	folders  map[string]bool // as of the last scan
	unsaved  bool
	saved    time.Time
	lastWarn map[string]time.Time
}

// New makes a Tailer. It touches no file.
func New(c Config, o Options) (*Tailer, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("tail: %w", err)
	}
	host := o.Host
	if host == "" {
		host, _ = os.Hostname() // without a name, messages have the sender's address
	}
	t := &Tailer{limits: c.Limits.withDefaults(), rest: o.Rest, state: o.State, log: o.Log, fs: osFS{}, stats: o.Stats}
	if t.stats == nil {
		t.stats = NewStats()
	}
	for i := range c.Files {
		in, err := c.Files[i].compile(host)
		if err != nil {
			return nil, fmt.Errorf("tail: files: %d: %w", i+1, err)
		}
		in.linger = t.limits.Linger
		t.inputs = append(t.inputs, in)
	}
	return t, nil
}

// Stats are the counters of the Tailer.
func (t *Tailer) Stats() *Stats { return t.stats }

// Run reads until ctx ends, which is no error, or the sink fails; then the rest,
// for as long as the options say. Marks are
// those that the receiver has; where it has one, the state file's offset does not
// count.
func (t *Tailer) Run(ctx context.Context, marks []Mark, sink Sink) error {
	saved, err := loadState(t.state)
	if err != nil {
		t.stats.add("state_damaged", 1)
		t.log.Warn("tail: the state file is damaged: going on with the receiver's marks", "path", t.state, "err", err)
	}
	t.begin(saved, marks, time.Now())
	defer t.end()
	w := newWatcher(t.log)
	defer w.close()
	for ctx.Err() == nil {
		did, err := t.step(ctx, time.Now(), sink)
		if err != nil && ctx.Err() != nil {
			return t.saveLast()
		}
		if err != nil {
			return errors.Join(err, t.save(time.Now()))
		}
		if did {
			continue
		}
		if err := t.saveIfDue(time.Now()); err != nil {
			t.warn("the state file cannot be written", "err", err)
		}
		if w.follow(t.folders) {
			t.rescan = true // for what happened before it was watched
			continue
		}
		t.heed(w.wait(ctx, t.wake(time.Now(), w.blind())), time.Now())
	}
	t.readRest(ctx, sink)
	return t.saveLast()
}

// readRest reads what is there after ctx has ended.
func (t *Tailer) readRest(ctx context.Context, sink Sink) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.rest)
	defer cancel()
	t.rescan = true
	for did := true; did && ctx.Err() == nil; {
		var err error
		if did, err = t.step(ctx, time.Now(), sink); err != nil {
			t.warn("the last lines are not handed over", "err", err)
			return
		}
	}
}

func (t *Tailer) saveLast() error {
	if err := t.save(time.Now()); err != nil {
		return fmt.Errorf("tail: save the state: %w", err)
	}
	return nil
}

// begin forgets all about an earlier run.
func (t *Tailer) begin(saved savedState, marks []Mark, now time.Time) {
	t.files, t.positions = map[fileKey]*file{}, newPositions()
	t.known, t.told = map[string]int64{}, map[string]int64{}
	t.ready, t.opened, t.unpacking, t.forget, t.skip = nil, 0, nil, nil, nil
	t.scanned, t.scanAt, t.rescan, t.folders, t.unsaved = time.Time{}, time.Time{}, true, nil, false
	t.lastWarn = map[string]time.Time{}
	t.batch.reset()
	room := 0
	for _, in := range t.inputs {
		split := splitter{in.encoding, in.maxLine, in.multi}
		room = max(room, split.room())
	}
	t.buf = make([]byte, tailLen+max(room, turnBytes))
	t.recall(saved, marks, now)
}

// recall brings together what the state file and the marks tell.
func (t *Tailer) recall(saved savedState, marks []Mark, now time.Time) {
	maps.Copy(t.known, saved.known)
	for _, p := range saved.positions {
		t.positions.add(p)
	}
	for _, m := range marks {
		if isPatternMark(m) {
			t.known[m.Source] = max(t.known[m.Source], int64(m.Pos))
		} else if p, ok := fromMark(m); ok {
			if old := t.positions.byID[p.id]; old != nil {
				old.believe(p)
			} else {
				t.positions.add(p)
			}
		}
	}
	for _, p := range t.positions.byID {
		if p.seen == 0 {
			p.seen = now.Unix()
		}
		if !p.finished {
			p.search, p.why = now.Add(searchTime).UnixNano(), "deleted"
		}
	}
}

func (t *Tailer) end() {
	for _, f := range t.files {
		t.closeFile(f)
	}
}

// step does what is to be done now, and reports whether that was anything.
func (t *Tailer) step(ctx context.Context, now time.Time, sink Sink) (bool, error) {
	if t.rescan || !now.Before(t.scanAt) {
		t.scan(now)
	}
	t.due(now)
	t.fill(now)
	if len(t.batch.given)+len(t.forget) == 0 && !t.newPatterns() {
		t.batch.reset()
		return t.rescan, nil
	}
	b := t.batch.build(t.settle())
	b.Forget = t.forget
	t.stats.set("unread_bytes", t.unread())
	if err := sink.Put(ctx, b); err != nil {
		return false, fmt.Errorf("tail: hand over %d messages: %w", len(b.Messages), err)
	}
	t.commit(now)
	t.stats.set("unread_bytes", t.unread())
	return true, nil
}

// unread is how much of the files the sink does not have yet, as they were when
// last looked at.
func (t *Tailer) unread() (n int64) {
	for _, f := range t.files {
		if f.pos != nil && f.twin == nil && f.packed == plain {
			n += max(0, f.found.size-f.pos.offset, f.info.size-f.pos.offset)
		}
	}
	return n
}

// fill reads into the batch until it is full, or there is nothing to read. Each
// file has its turn.
func (t *Tailer) fill(now time.Time) {
	for _, p := range t.skip {
		t.batch.give(p)
	}
	t.skip = nil
	t.knowing(now)
	for len(t.ready) > 0 && !t.rescan && t.batch.read < t.limits.BatchBytes && len(t.batch.messages) < t.limits.BatchBytes/minMessage {
		f := t.ready[0]
		t.ready = t.ready[1:]
		f.queued = false
		if t.turn(f, now) {
			t.enqueue(f)
		}
	}
}

// tellPeriod is how often the receiver is told when names were looked at.
const tellPeriod = time.Minute

// knowing adds marks of the patterns: files that they find from now on are read
// from the beginning, wherever it was begun with the first ones.
func (t *Tailer) knowing(now time.Time) {
	for _, in := range t.inputs {
		for _, p := range in.patterns {
			if key := p.mark(); t.told[key] <= now.Add(-tellPeriod).Unix() {
				t.batch.patterns = append(t.batch.patterns, key)
			}
		}
	}
}

// minMessage bounds the number of messages of a batch by its bytes: short lines
// need more memory than they have bytes.
const minMessage = 64

func (t *Tailer) enqueue(f *file) {
	if !f.queued {
		f.queued = true
		t.ready = append(t.ready, f)
	}
}

// newPatterns reports whether some pattern was looked for the first time.
func (t *Tailer) newPatterns() bool {
	return slices.ContainsFunc(t.batch.patterns, func(key string) bool { return t.known[key] == 0 })
}

// commit: the batch is durable.
func (t *Tailer) commit(now time.Time) {
	for _, p := range t.batch.given {
		p.offset, p.taken, p.given, p.told = p.next, p.tail, false, true
		if p.home != nil {
			p.home.clean = p.home.ended
		}
	}
	for _, key := range t.batch.patterns {
		t.known[key], t.told[key] = t.batch.looked, now.Unix()
	}
	t.stats.add("lines", len(t.batch.messages))
	t.batch.reset()
	t.forget = nil
	t.unsaved = true
	if err := t.saveIfDue(now); err != nil {
		t.warn("the state file cannot be written", "err", err)
	}
}

// warn logs, each message but once an hour.
func (t *Tailer) warn(msg string, args ...any) {
	now := time.Now()
	if now.Sub(t.lastWarn[msg]) < time.Hour {
		return
	}
	t.lastWarn[msg] = now
	t.log.Warn("tail: "+msg, args...)
}

// Stats counts what became of the files. It may be read at any time.
type Stats struct {
	mu     sync.Mutex
	counts map[string]uint64
}

// NewStats are those of Tailers that have not begun.
func NewStats() *Stats { return &Stats{counts: map[string]uint64{}} }

func (s *Stats) add(name string, n int) {
	if n <= 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[name] += uint64(n)
}

func (s *Stats) set(name string, n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[name] = uint64(n)
}

// Snapshot returns all counts, those that are zero perhaps not; the package comment has their
// names.
func (s *Stats) Snapshot() map[string]uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.counts)
}
