package tail

import "rondo/syslogd/syslog"

// A batch is what is read and not yet durable.
type batch struct {
	messages []syslog.Message
	given    []*position
	patterns []string // to be known from now on
	read     int      // bytes
}

// give takes a position that has moved.
func (b *batch) give(p *position) {
	if !p.given {
		p.given = true
		b.given = append(b.given, p)
	}
}

// knowing adds the patterns that are new: files that they find from now on are
// read from the beginning, wherever it was begun with the first ones.
func (b *batch) knowing(inputs []*input, known map[string]bool) {
	for _, in := range inputs {
		for _, p := range in.patterns {
			if !known[p.mark()] {
				b.patterns = append(b.patterns, p.mark())
			}
		}
	}
}

func (b *batch) build() Batch {
	out := Batch{Messages: b.messages}
	for _, p := range b.given {
		out.Marks = append(out.Marks, p.mark())
	}
	for _, key := range b.patterns {
		out.Marks = append(out.Marks, Mark{key, 1})
	}
	return out
}

// reset keeps the room for messages, but not their strings.
func (b *batch) reset() {
	clear(b.messages)
	*b = batch{messages: b.messages[:0]}
}
