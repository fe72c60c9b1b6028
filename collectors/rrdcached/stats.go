package rrdcached

import (
	"fmt"
	"sync/atomic"
)

// counts are what STATS shows.
type counts struct {
	updates atomic.Uint64 // UPDATE commands
	flushes atomic.Uint64 // FLUSH commands
	files   atomic.Uint64 // .rrd written
	written atomic.Uint64 // updates on disk
}

// stats answers STATS. There is no queue and no cache, hence no node of one;
// and the store's log is not told apart by protocol.
func (c *session) stats() error {
	return c.reply(9, fmt.Sprintf(`Statistics follow
QueueLength: 0
UpdatesReceived: %d
FlushesReceived: %d
UpdatesWritten: %d
DataSetsWritten: %d
TreeNodesNumber: %d
TreeDepth: %d
JournalBytes: 0
JournalRotate: 0`, c.counts.updates.Load(), c.counts.flushes.Load(), c.counts.written.Load(), c.counts.written.Load(), c.sets(), 0))
}
