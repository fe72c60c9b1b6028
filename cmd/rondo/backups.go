package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"rondo/autoscale/s3"
	"rondo/cmd/rondo/backup"
)

// backupConfig is the section "backup".
type backupConfig struct {
	backup.Config `yaml:",inline"`
	S3            s3.Config `yaml:"s3"`
}

// validate says what is wrong with the section, given the data directory.
func (c backupConfig) validate(data string) error {
	errs := []error{c.Config.Validate(), c.S3.Validate()}
	if backup.IsBucket(c.To) {
		_, _, err := s3.ParseURL(c.To)
		errs = append(errs, err)
	} else if c.To != "" {
		errs = append(errs, apart(c.To, data))
	}
	return errors.Join(errs...)
}

// apart refuses to keep a backup within what it is a backup of.
func apart(to, data string) error {
	to, err := filepath.Abs(to)
	if err != nil {
		return err
	}
	if data, err = filepath.Abs(data); err != nil {
		return err
	}
	if rel, err := filepath.Rel(data, to); err == nil && filepath.IsLocal(rel) {
		return fmt.Errorf("backup: to: %s lies in the data directory; want a place that outlives it", to)
	}
	return nil
}

// open opens the target; create makes a directory that is not there yet. The
// caller closes it.
func (c backupConfig) open(ctx context.Context, create bool) (_ backup.Target, closeIt func() error, err error) {
	if !backup.IsBucket(c.To) {
		d, err := backup.OpenDir(c.To, create)
		if err != nil {
			return nil, nil, err
		}
		return d, d.Close, nil
	}
	bucket, prefix, err := s3.ParseURL(c.To)
	if err != nil {
		return nil, nil, err
	}
	b, err := s3.New(ctx, c.S3, bucket, prefix)
	return b, func() error { return nil }, err
}

// A backupResult is one backup that was made.
type backupResult struct {
	Time    time.Time       `json:"time"`
	Seconds float64         `json:"seconds"` // that it took
	Files   int             `json:"files"`
	Bytes   int64           `json:"bytes"`  // of the files
	Stored  int64           `json:"stored"` // of the objects that they are in
	Sent    int64           `json:"sent"`
	Reused  int64           `json:"reused"`
	Wait    float64         `json:"snapshot_seconds"` // for how long blocks and chunks were not written
	seen    backup.Progress // the last that was reported
}

// make makes one backup of a directory that lies still.
func (c backupConfig) make(ctx context.Context, dir string, o backup.Options) (r backupResult, err error) {
	t, closeIt, err := c.open(ctx, true)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, closeIt()) }()
	if o.Keys, err = backup.ParseRecipients(c.Recipients); err != nil {
		return r, err
	}
	report := o.Progress
	o.Rondo, o.Keep = release, c.Keep
	o.Progress = func(p backup.Progress) {
		r.seen = p
		if report != nil {
			report(p)
		}
	}
	began := time.Now()
	m, err := backup.Create(ctx, t, dir, o)
	if err != nil {
		return r, err
	}
	return backupResult{
		Time: m.Time, Seconds: time.Since(began).Seconds(), Files: len(m.Files), Bytes: m.Bytes(), Stored: m.Stored(),
		Sent: r.seen.Sent, Reused: r.seen.Reused,
	}, nil
}

// backups makes the configured backups of a running server, and snapshots for
// those that the command line makes.
type backups struct {
	conf   backupConfig
	data   string
	copyTo func(dir string) error // makes a copy of all stores that lies still
	log    *slog.Logger
	asked  chan struct{} // somebody wants one now
	places chan struct{} // one for each snapshot at a time

	runs, failures, sent atomic.Uint64

	mu     sync.Mutex
	status backupStatus
}

// A backupStatus is what is known about backups.
type backupStatus struct {
	To         string           `json:"to"` // "" where none is configured
	Endpoint   string           `json:"endpoint,omitempty"`
	Region     string           `json:"region,omitempty"`
	Every      string           `json:"every"`
	Keep       int              `json:"keep"`
	Recipients []string         `json:"recipients,omitempty"`
	Running    *backup.Progress `json:"running,omitempty"`
	Newest     time.Time        `json:"newest,omitzero"` // at the target, as far as known
	Last       *backupResult    `json:"last,omitempty"`  // of this process
	Tried      time.Time        `json:"tried,omitzero"`
	Error      string           `json:"error,omitempty"` // of the last try
}

const (
	// maxSnapshots bounds how many snapshots there are at the same time.
	maxSnapshots = 2
	// backupRetry is how soon a backup that failed is tried again, at the
	// latest.
	backupRetry = 10 * time.Minute
)

func newBackups(conf *config, copyTo func(dir string) error, log *slog.Logger) *backups {
	c := conf.Backup
	return &backups{
		conf: c, data: conf.Data, copyTo: copyTo, log: log.With("component", "backup"),
		asked: make(chan struct{}, 1), places: make(chan struct{}, maxSnapshots),
		status: backupStatus{
			To: c.To, Endpoint: c.S3.Endpoint, Region: c.S3.Region,
			Every: c.Every.String(), Keep: c.Keep, Recipients: c.Recipients,
		},
	}
}

// run makes backups when they are due or asked for, until ctx ends.
func (b *backups) run(ctx context.Context) error {
	if b.conf.To == "" {
		return nil
	}
	b.findNewest(ctx)
	for {
		var due <-chan time.Time
		if b.conf.Every > 0 {
			due = time.After(time.Until(b.next()))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-due:
		case <-b.asked:
		}
		b.once(ctx)
	}
}

// next is when the next backup is due. One that failed is tried again soon.
func (b *backups) next() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	due := b.conf.Due(b.status.Newest)
	if again := b.status.Tried.Add(min(b.conf.Every, backupRetry)); b.status.Error != "" && due.Before(again) {
		return again
	}
	return due
}

// findNewest looks for what an earlier run has made.
func (b *backups) findNewest(ctx context.Context) {
	t, closeIt, err := b.conf.open(ctx, false)
	var newest backup.Backup
	if err == nil {
		var all []backup.Backup
		all, err = backup.List(ctx, t)
		if err == nil {
			newest, err = backup.Choose(all, time.Time{})
		}
		err = errors.Join(err, closeIt())
	}
	if err != nil && !errors.Is(err, backup.ErrNone) && !errors.Is(err, os.ErrNotExist) && ctx.Err() == nil {
		b.log.Warn("earlier backups are not known", "to", b.conf.To, "err", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.status.Newest = newest.Time
}

// once makes one backup and tells how it went.
func (b *backups) once(ctx context.Context) {
	b.mu.Lock()
	b.status.Running = &backup.Progress{}
	b.mu.Unlock()
	r, err := b.configured(ctx)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.status.Running, b.status.Tried, b.status.Error = nil, time.Now(), ""
	switch {
	case err == nil:
		b.runs.Add(1)
		b.sent.Add(uint64(r.Sent))
		b.status.Last, b.status.Newest = &r, r.Time
		b.log.Info("backup is made", "to", b.conf.To, "files", r.Files, "bytes", r.Bytes, "sent", r.Sent, "seconds", r.Seconds)
	case ctx.Err() == nil:
		b.failures.Add(1)
		b.status.Error = err.Error()
		b.log.Error("backup failed", "to", b.conf.To, "err", err)
	}
}

func (b *backups) configured(ctx context.Context) (backupResult, error) {
	began := time.Now()
	dir, free, err := b.snapshot()
	if err != nil {
		return backupResult{}, err
	}
	defer free()
	now := time.Now()
	r, err := b.conf.make(ctx, dir, backup.Options{Now: now, Log: b.log, Progress: func(p backup.Progress) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.status.Running = &p
	}})
	r.Wait = now.Sub(began).Seconds()
	return r, err
}

// snapshot makes a copy of all stores, by hard links below the data directory,
// which the caller frees.
func (b *backups) snapshot() (dir string, free func(), err error) {
	select {
	case b.places <- struct{}{}:
	default:
		return "", nil, errors.New("backup: too many snapshots at the same time")
	}
	dir = filepath.Join(b.data, stageDir, rand.Text())
	free = func() {
		if err := os.RemoveAll(dir); err != nil {
			b.log.Warn("snapshot could not be removed", "dir", dir, "err", err)
		}
		<-b.places
	}
	err = os.MkdirAll(dir, 0o700)
	if err == nil {
		err = b.copyTo(dir)
	}
	if err == nil {
		dir, err = filepath.Abs(dir)
	}
	if err != nil {
		free()
		return "", nil, fmt.Errorf("backup: snapshot: %w", err)
	}
	return dir, free, nil
}

// snapshot makes dir a copy of all stores, each as a kill would leave it.
func (s *server) snapshot(dir string) error {
	return errors.Join(
		s.stores.state.Snapshot(filepath.Join(dir, "state")),
		s.stores.logs.Snapshot(filepath.Join(dir, "logs")),
		s.stores.metrics.Snapshot(filepath.Join(dir, "metrics")),
		s.stores.spool.Snapshot(filepath.Join(dir, "spool")),
	)
}

// serveStatus answers GET /api/backup.
func (b *backups) serveStatus(w http.ResponseWriter, _ *http.Request) {
	b.mu.Lock()
	text, err := json.Marshal(b.status)
	b.mu.Unlock()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(text, '\n')) // the reader may have left
}

// serveNow answers POST /api/backup: the configured backup, now.
func (b *backups) serveNow(w http.ResponseWriter, _ *http.Request) {
	if b.conf.To == "" {
		http.Error(w, `no backup is configured; say where to with --to, or add to the configuration: backup: {to: ...}`, http.StatusNotFound)
		return
	}
	select {
	case b.asked <- struct{}{}:
	default: // somebody asked just now
	}
	w.WriteHeader(http.StatusAccepted)
}

// stageBeat is how often a waiting client of serveStage is written to.
const stageBeat = 10 * time.Second

// serveStage answers POST /api/backup/snapshot: it makes a snapshot, says
// where it lies, and removes it when the client leaves. The client reads it
// from the disk, and takes it wherever its own user may write; so no request
// ever makes the server write to a place that its configuration does not name.
func (b *backups) serveStage(w http.ResponseWriter, r *http.Request) {
	dir, free, err := b.snapshot()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer free()
	control := http.NewResponseController(w)
	err = json.NewEncoder(w).Encode(staged{dir, time.Now()})
	ticker := time.NewTicker(stageBeat)
	defer ticker.Stop()
	for err == nil {
		if err = control.Flush(); err != nil {
			return // the client has left
		}
		select {
		case <-r.Context().Done():
			return
		case <-ticker.C:
			_, err = w.Write([]byte("\n"))
		}
	}
}

// staged is where a snapshot lies, and when it was complete.
type staged struct {
	Dir  string    `json:"dir"`
	Time time.Time `json:"time"`
}

// age is how old the newest backup is that is known; without one, how long
// the server has been running without.
func (b *backups) age(now, started time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.status.Newest.IsZero() {
		return now.Sub(started)
	}
	return now.Sub(b.status.Newest)
}

// gauges are the figures about backups; none where none is configured.
func (b *backups) gauges(into map[string]float64, started time.Time) {
	if b.conf.To == "" {
		return
	}
	into["backup.age_seconds"] = b.age(time.Now(), started).Seconds()
	b.mu.Lock()
	defer b.mu.Unlock()
	into["backup.failing"] = 0
	if b.status.Error != "" {
		into["backup.failing"] = 1
	}
	if last := b.status.Last; last != nil {
		into["backup.bytes"], into["backup.stored_bytes"], into["backup.seconds"] = float64(last.Bytes), float64(last.Stored), last.Seconds
	}
}

// counters count what became of backups.
func (b *backups) counters() map[string]uint64 {
	if b.conf.To == "" {
		return nil
	}
	return map[string]uint64{"made": b.runs.Load(), "failures": b.failures.Load(), "sent_bytes": b.sent.Load()}
}

// words say for people how backups stand; "" where none is configured.
func (b *backups) words(now time.Time) string {
	if b.conf.To == "" {
		return ""
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	var parts []string
	if b.status.Newest.IsZero() {
		parts = append(parts, "no backup yet")
	} else {
		parts = append(parts, "backup "+now.Sub(b.status.Newest).Round(time.Minute).String()+" old")
	}
	if b.status.Error != "" {
		parts = append(parts, "the last one failed")
	}
	return strings.Join(parts, ", ")
}
