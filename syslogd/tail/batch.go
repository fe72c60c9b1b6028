package tail

import "rondo/syslogd/syslog"

// A batch is what is read and not yet durable.
type batch struct {
	messages []syslog.Message
	given    []*position
	patterns []string // that were looked for
	looked   int64    // see Tailer.settle
	read     int      // bytes
}

// give takes a position that has moved.
func (b *batch) give(p *position) {
	if !p.given {
		p.given = true
		b.given = append(b.given, p)
	}
}

func (b *batch) build(looked int64) Batch {
	b.looked = looked
	out := Batch{Messages: b.messages}
	for _, p := range b.given {
		out.Marks = append(out.Marks, p.mark())
	}
	for _, key := range b.patterns {
		out.Marks = append(out.Marks, Mark{key, uint64(looked)})
	}
	return out
}

// reset keeps the room for messages, but not their strings.
func (b *batch) reset() {
	clear(b.messages)
	*b = batch{messages: b.messages[:0]}
}
