package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"rondo/rrd/seglog"
)

// A ballast is a file that takes room in the data directory for the day when
// the disk is full. The stores need a little to be opened, though they will
// refuse to take anything: with it a server starts on a full disk as well, says
// so, and shows what it has.
type ballast struct {
	path string
	free func(dir string) (int64, error)
	log  *slog.Logger
}

const (
	ballastBytes = 32 << 20
	// startBytes is what the stores need to be opened.
	startBytes = 16 << 20
	// ballastRoom is free before there is a ballast: more than the stores'
	// own reserves, which it must not use up.
	ballastRoom   = 512 << 20
	ballastPeriod = time.Minute
)

func newBallast(data string, log *slog.Logger) *ballast {
	return &ballast{filepath.Join(data, "ballast"), seglog.FreeBytes, log}
}

// giveUp removes the ballast if there is no room to start without.
func (b *ballast) giveUp() error {
	free, err := b.free(filepath.Dir(b.path))
	if err != nil || free >= startBytes {
		return err
	}
	err = os.Remove(b.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the stores say what they need
	}
	if err != nil {
		return fmt.Errorf("the disk is full, and the ballast cannot be removed: %w", err)
	}
	b.log.Error("the disk is full: nothing is stored until there is room again; the ballast was given up, so that the server can start",
		"free_bytes", free, "file", b.path)
	return nil
}

// Run makes the ballast within a minute, or as soon as there is room for it,
// until ctx ends.
func (b *ballast) Run(ctx context.Context) error {
	tick := time.NewTicker(ballastPeriod)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := b.keep(); err != nil {
			b.log.Warn("no ballast could be made", "err", err)
		}
	}
}

// keep makes the ballast if it is missing and there is room.
func (b *ballast) keep() error {
	if info, err := os.Stat(b.path); err == nil && info.Size() == ballastBytes {
		return nil
	}
	free, err := b.free(filepath.Dir(b.path))
	if err != nil || free < ballastRoom {
		return err
	}
	if err := os.WriteFile(b.path, make([]byte, ballastBytes), 0o600); err != nil {
		return errors.Join(err, os.Remove(b.path))
	}
	return nil
}
