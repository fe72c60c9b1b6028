package syslogd

import (
	"context"

	"rondo/syslogd/syslog"
)

// A Sink takes messages. When Put returns nil, all of them are on disk. It
// must not retain the batch or its strings.
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
	// Sync returns when all that was written before is on the device.
	Sync(ctx context.Context) error
}

// write uses the sink's Write, if it has one.
func write(ctx context.Context, s Sink, batch []syslog.Message) error {
	if w, ok := s.(Writer); ok {
		return w.Write(ctx, batch)
	}
	return s.Put(ctx, batch)
}

// syncAll uses the sink's Sync, if it has one.
func syncAll(ctx context.Context, s Sink) error {
	if w, ok := s.(Writer); ok {
		return w.Sync(ctx)
	}
	return nil
}
