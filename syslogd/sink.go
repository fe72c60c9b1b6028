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
