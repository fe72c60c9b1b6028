package logstore

import (
	"context"
	"fmt"

	"rondo/rrd/seglog"
)

// probeVersion begins a record of the log that is a probe: no message, and
// nothing to replay.
const probeVersion = 0

// Probe writes text to the log as if it were a message, and returns when it is
// on the device; all that was stored before can be searched then. It is held up
// and refused for the same reasons. But it is in no search and no tail, and is
// gone when the log is cut: it is for those who test the way of the messages
// over and over.
func (s *Store) Probe(ctx context.Context, text string) error {
	if err := s.waitForRoom(ctx); err != nil {
		return fmt.Errorf("logstore: probe: %w", err)
	}
	end, err := s.appendProbe(text)
	if err == nil {
		err = s.log.Commit(ctx, end)
	}
	if err != nil {
		return fmt.Errorf("logstore: probe: %w", err)
	}
	// Where nobody logs nothing is sealed, and so nobody else cuts the log.
	if s.diskMu.TryLock() {
		defer s.diskMu.Unlock()
		if err := s.cut(); err != nil {
			s.o.Log.Warn("log cannot be cut", "err", err)
		}
	}
	return nil
}

func (s *Store) appendProbe(text string) (seglog.Pos, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, ErrClosed
	}
	return s.log.Append(append([]byte{probeVersion}, text...))
}

func isProbe(record string) bool { return record != "" && record[0] == probeVersion }
