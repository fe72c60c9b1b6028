package syslogd

import (
	"context"

	"rondo/syslogd/syslog"
)

// A Sink takes messages. When Put returns nil, all of them are on disk, and
// so is all that was given to the sink before: the empty batch waits for that.
// It must not retain the batch or its strings.
type Sink interface {
	Put(ctx context.Context, batch []syslog.Message) error
}

// A Writer is a Sink that can also take messages without waiting for the
// device, for protocols that acknowledge nothing. Where a Sink is none, Put is
// used.
type Writer interface {
	Sink
	// Write takes messages into the kernel's page cache: they survive the
	// death of the process now, and that of the machine within a second.
	Write(ctx context.Context, batch []syslog.Message) error
}

// write uses the sink's Write, if it has one.
func write(ctx context.Context, s Sink, batch []syslog.Message) error {
	if w, ok := s.(Writer); ok {
		return w.Write(ctx, batch)
	}
	return s.Put(ctx, batch)
}
