package main

import (
	"context"
	bigendian "encoding/binary"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"rondo/rrd/seglog"
	"rondo/syslogd/spool"
)

// What relays of an earlier version had not delivered waits in the queues of
// their names; what belongs to nobody stays where it is.
func TestRelayQueuesAreTakenOver(t *testing.T) {
	data := t.TempDir()
	for _, name := range []string{"central", "gone"} {
		dir := filepath.Join(data, "relay", name)
		l, err := seglog.Open(dir, seglog.Options{})
		if err != nil {
			t.Fatal(err)
		}
		var cursor seglog.Pos
		for i := range 5 {
			wire := "<13>1 2026-10-11T22:14:15Z web-01 app 7 - - two\nlines"
			rec := append(bigendian.BigEndian.AppendUint64(nil, uint64(i)), fmt.Sprintf("%d %s", len(wire), wire)...)
			end, err := l.Append(rec)
			if err != nil {
				t.Fatal(err)
			}
			if i == 1 {
				cursor = end
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "cursor"), fmt.Appendf(nil, "%d 2\n", cursor), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := spool.Open(filepath.Join(data, "spool"), spool.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	queues, err := s.Queues([]spool.QueueConfig{{Name: "central"}})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time there is nothing to do
		if err := takeRelayQueues(context.Background(), data, s, queues, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
		if n := queues[0].Stats().Waiting; n != 3 {
			t.Errorf("%d messages wait, want 3", n)
		}
	}
	if _, err := os.Stat(filepath.Join(data, "relay", "central")); !os.IsNotExist(err) {
		t.Error("the old queue is still there", err)
	}
	if _, err := os.Stat(filepath.Join(data, "relay", "gone")); err != nil {
		t.Error(err)
	}
}
