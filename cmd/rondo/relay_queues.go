package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"rondo/rrd/seglog"
	"rondo/syslogd/spool"
	"rondo/syslogd/syslog"
)

// Until there were destinations, each relay had a log of its own, in
// data/relay/NAME, and a file "cursor" in it with the position and the number
// of what was delivered next:
//
//	record   | number uint64, big endian | message as on the wire |
//
// takeRelayQueues puts what still waits there into the queues of destinations
// of the same names, and removes the logs. Where there is none of the name, it
// tells how much is left.
func takeRelayQueues(ctx context.Context, data string, s *spool.Spool, queues []*spool.Queue, log *slog.Logger) error {
	root := filepath.Join(data, "relay")
	dirs, err := os.ReadDir(root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("relay queues: %w", err)
	}
	for _, d := range dirs {
		dir := filepath.Join(root, d.Name())
		i := slices.IndexFunc(queues, func(q *spool.Queue) bool { return q.Name() == d.Name() })
		n, err := takeRelayQueue(ctx, dir, s, queues, i, log)
		switch {
		case err != nil:
			return fmt.Errorf("relay queue %s: %w", d.Name(), err)
		case i < 0:
			log.Warn("an earlier version has left a relay's queue; configure a relay or a destination of its name, or remove it",
				"dir", dir, "messages", n)
		default:
			log.Info("the queue of a relay is taken over", "destination", d.Name(), "messages", n)
			if err := os.RemoveAll(dir); err != nil {
				return fmt.Errorf("relay queue %s: %w", d.Name(), err)
			}
		}
	}
	_ = os.Remove(root) // if it is empty
	return nil
}

// takeRelayQueue queues the messages of one log, and returns how many they are.
// Without a queue it only counts them.
func takeRelayQueue(ctx context.Context, dir string, s *spool.Spool, queues []*spool.Queue, i int, log *slog.Logger) (n int, err error) {
	l, err := seglog.Open(dir, seglog.Options{Log: log})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	var end seglog.Pos
	for rec, err := range l.Records(relayCursor(dir)) {
		if _, damaged := errors.AsType[*seglog.DamageError](err); damaged {
			log.Warn("part of a relay's queue is damaged", "dir", dir, "err", err)
			continue
		}
		if err != nil {
			return n, err
		}
		batch := relayed(rec.Data, time.Now())
		if n += len(batch); i < 0 || len(batch) == 0 {
			continue
		}
		to := slices.Repeat([]spool.Set{spool.Set(0).With(i)}, len(batch))
		if end, err = s.Append(ctx, queues, batch, to); err != nil {
			return n, err
		}
	}
	return n, s.Commit(ctx, end)
}

// relayCursor is where the relay stopped; without a file, at the beginning.
func relayCursor(dir string) seglog.Pos {
	var pos, number uint64
	data, err := os.ReadFile(filepath.Join(dir, "cursor"))
	if err != nil {
		return 0
	}
	if _, err := fmt.Sscanf(string(data), "%d %d\n", &pos, &number); err != nil {
		return 0
	}
	return seglog.Pos(pos)
}

// relayed reads a record: one message, with its framing.
func relayed(rec []byte, now time.Time) (batch []syslog.Message) {
	const numberSize = 8
	if len(rec) <= numberSize {
		return nil
	}
	framer := syslog.NewFramer(bytes.NewReader(rec[numberSize:]), len(rec))
	for {
		frames, err := framer.Append(nil)
		for _, f := range frames {
			batch = append(batch, syslog.Parse(f.Line, now, netip.Addr{}))
		}
		if err != nil {
			return batch
		}
	}
}
