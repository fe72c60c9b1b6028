package seglog

import (
	"context"
	"fmt"
	"time"
)

// Commit waits until all up to p is on the device. If ctx ends first, its
// error is returned and the records may become durable or not.
func (l *Log) Commit(ctx context.Context, p Pos) error {
	for {
		l.mu.Lock()
		synced, err, turned := l.synced, l.err, l.turned
		l.mu.Unlock()
		if synced >= p {
			return nil
		}
		if err != nil {
			return fmt.Errorf("seglog: commit: %w", err)
		}
		l.poke(l.want)
		select {
		case <-turned:
		case <-ctx.Done():
			return fmt.Errorf("seglog: commit: %w", context.Cause(ctx))
		}
	}
}

// poke sends on a channel of capacity 1 unless a token is already there.
func (l *Log) poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// syncLoop syncs soon after someone asks for it, and else when the oldest
// unsynced record is Idle old.
func (l *Log) syncLoop() {
	idle := time.NewTimer(l.o.Idle)
	defer idle.Stop()
	for {
		select {
		case <-l.stop:
			return
		case <-l.dirty:
			idle.Reset(l.o.Idle)
			continue
		case <-l.want:
			if !l.linger() {
				return
			}
		case <-idle.C:
		}
		if err := l.sync(); err != nil {
			l.o.Log.Error("log cannot be synced, takes nothing any more", "dir", l.dir, "err", err)
			<-l.stop
			return
		}
	}
}

// linger gives others the time to join a commit. It reports false when the
// log is being closed.
func (l *Log) linger() bool {
	if l.o.Linger <= 0 {
		return true
	}
	t := time.NewTimer(l.o.Linger)
	defer t.Stop()
	select {
	case <-l.stop:
		return false
	case <-t.C:
		return true
	}
}

// sync makes all that was appended so far durable. After a failure the state
// of the pages is not known, so the log takes nothing any more.
func (l *Log) sync() error {
	l.syncMu.Lock()
	defer l.syncMu.Unlock()
	l.mu.Lock()
	f, end, clean, err := l.file, l.end, l.end == l.synced, l.err
	l.mu.Unlock()
	if err != nil || clean {
		return err
	}
	l.syncs.Add(1)
	if err := f.Sync(); err != nil {
		return l.fail(err)
	}
	l.mu.Lock()
	l.synced = end
	again := l.end != end
	l.mu.Unlock()
	l.turn()
	if again {
		l.poke(l.dirty)
	}
	return nil
}

// turn wakes all who wait in Commit.
func (l *Log) turn() {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.turned)
	l.turned = make(chan struct{})
}

// fail makes the log refuse everything, because of the first error.
func (l *Log) fail(err error) error {
	l.mu.Lock()
	if l.err == nil {
		l.err = err
	}
	err = l.err
	l.mu.Unlock()
	l.turn()
	return err
}

func (l *Log) broken() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}
