package stage

import (
	"time"

	"rondo/syslogd/syslog"
)

// A Step is what one stage did with one message.
type Step struct {
	Stage         string // its name
	Kind          string // its key in the configuration
	Dropped       Reason // "" if the message went on
	Changed       bool
	Before, After syslog.Message
}

// Trace is Apply of one message, and says what each stage did whose filter
// matched: with the message, and with summaries that were due because of it.
func (p *Pipe) Trace(now time.Time, m syslog.Message) (out []syslog.Message, steps []Step) {
	w := p.works.Get().(*work)
	w.observe = func(i int, v verdict, before, after *syslog.Message) {
		s := Step{Stage: p.steps[i].name, Kind: p.steps[i].kind, Changed: v == changed, Before: *before, After: *after}
		if v == dropped {
			s.Dropped = p.steps[i].reason
		}
		steps = append(steps, s)
	}
	last, v := p.run(now, w, &m, 0)
	out = append(out, w.extra...)
	if v != dropped {
		out = append(out, *last)
	}
	w.extra, w.observe = w.extra[:0], nil
	p.done(w)
	return out, steps
}
