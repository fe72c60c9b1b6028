package agent

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/klauspost/compress/zstd"

	"rondo/rrd"
	"rondo/syslogd/syslog"
)

// idHeader says which agent pushes.
const idHeader = "Rondo-Agent"

// receipt is the answer to a push: all of it is on disk.
type receipt struct {
	Duplicates int `json:"duplicates,omitempty"` // messages that were stored before
	Refused    int `json:"refused,omitempty"`    // samples
}

// The answers that tell an agent what to do.
const (
	statusAgain    = http.StatusGone                // say hello
	statusConflict = http.StatusConflict            // another agent has the id
	statusOverlap  = http.StatusUnprocessableEntity // a portion was stored in part
)

func (s *Server) push(r *http.Request, c caller) (any, *refusal) {
	id := r.Header.Get(idHeader)
	if c.key.ID != "" && c.key.ID != id {
		return nil, refuse(http.StatusForbidden, "identity", "the key belongs to another agent")
	}
	a := s.of(id)
	if a == nil {
		return nil, refuse(statusAgain, "session", "say hello first")
	}
	batch, done, refused := s.read(r)
	if refused != nil {
		return nil, refused
	}
	defer done()
	if !a.enter(r.Context()) {
		return nil, refuse(http.StatusServiceUnavailable, "session", "another request of this agent is not done yet")
	}
	defer a.leave()
	if !a.open(batch.Session) {
		return nil, refuse(statusAgain, "session", "say hello first")
	}
	return s.take(r.Context(), a, batch, c)
}

// decoded is about how much memory the messages take of which a push has so
// many bytes.
const decoded = 4

// read reads the body of a push. Many agents that push at once take turns, for
// the sake of memory, until done is called.
func (s *Server) read(r *http.Request) (_ *Batch, done func(), _ *refusal) {
	size := r.ContentLength
	if size < 0 || size > maxBody {
		return nil, nil, refuse(http.StatusRequestEntityTooLarge, "size", "push of more than %d bytes, or of an unknown length", maxBody)
	}
	if err := s.bodies.Acquire(r.Context(), size); err != nil {
		return nil, nil, refuse(http.StatusServiceUnavailable, "session", "too many push at once")
	}
	defer s.bodies.Release(size)
	body := make([]byte, size)
	if _, err := io.ReadFull(r.Body, body); err != nil {
		return nil, nil, refuse(http.StatusBadRequest, "size", "push is cut short: %v", err)
	}
	var head zstd.Header
	if err := head.Decode(body); err != nil || !head.HasFCS || head.FrameContentSize > maxBatch {
		return nil, nil, refuse(http.StatusBadRequest, "wire", "%v: no zstd frame that says its size, of at most %d", ErrWire, maxBatch)
	}
	weight := int64(head.FrameContentSize) * decoded
	if err := s.batches.Acquire(r.Context(), weight); err != nil {
		return nil, nil, refuse(http.StatusServiceUnavailable, "session", "too many push at once")
	}
	batch, refused := s.decode(body)
	if refused != nil {
		s.batches.Release(weight)
		return nil, nil, refused
	}
	return batch, func() { s.batches.Release(weight) }, nil
}

func (s *Server) decode(body []byte) (*Batch, *refusal) {
	plain, err := s.decoder.DecodeAll(body, nil)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "wire", "%v: %v", ErrWire, err)
	}
	batch, err := readBatch(string(plain))
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "wire", "%v", err)
	}
	return batch, nil
}

// take stores a batch. Samples come first: to store them twice is to store them
// once, while messages and marks are one write.
func (s *Server) take(ctx context.Context, a *session, b *Batch, c caller) (any, *refusal) {
	known := a.contact()
	var answer receipt
	if len(b.Status) > 0 {
		var status Status
		if err := json.Unmarshal(b.Status, &status); err != nil {
			return nil, refuse(http.StatusBadRequest, "wire", "status: %v", err)
		}
		known.Status, known.Addr = status, c.addr
	}
	s.heard(a, known)
	if sameRun(b.Seq, a.seq) && b.Seq <= a.seq {
		answer.Duplicates = b.messages
		s.stats.Add("duplicates", b.messages)
		return answer, nil
	}
	messages, marks, refused := s.sift(a, b, known)
	if refused != nil {
		return nil, refused
	}
	n, err := s.samples(ctx, &known.Identity, b.Samples)
	if err == nil && len(marks)+len(messages) > 0 {
		// An agent that tires of waiting for a full disk comes again with the
		// same batch. Stages that have seen these messages would take those
		// for repeated ones, so this try goes on to its end, and the next one
		// waits for it.
		err = s.put(context.WithoutCancel(ctx), known.ID, b.Seq, messages, marks)
	}
	if err != nil {
		a.end()
		return nil, refuse(http.StatusServiceUnavailable, "store", "%v", err)
	}
	a.seq = b.Seq
	for _, m := range marks {
		if a.marks[m.Source] = m.Pos; m.Pos == 0 {
			delete(a.marks, m.Source)
		}
	}
	answer.Refused, answer.Duplicates = n, b.messages-len(messages)
	s.stats.Add("pushes", 1)
	s.stats.Add("messages", len(messages))
	s.stats.Add("duplicates", answer.Duplicates)
	s.stats.Add("samples", len(b.Samples)-n)
	return answer, nil
}

// sift leaves out what is stored already, and says how far each source is then.
func (s *Server) sift(a *session, b *Batch, known Contact) (messages []syslog.Message, marks []Mark, _ *refusal) {
	at := map[string]uint64{}
	now := time.Now()
	for i := range b.Portions {
		p := &b.Portions[i]
		mark, stored := at[p.Source]
		if !stored {
			mark, stored = a.marks[p.Source]
		}
		stored = stored && !p.Reset
		switch {
		case p.Forget:
			at[p.Source] = 0
			marks = append(marks, Mark{p.Source, 0})
			continue
		case stored && p.To <= mark && p.From < mark:
			continue
		case stored && p.From < mark:
			s.stats.Add("overlaps", 1)
			return nil, nil, refuse(statusOverlap, "session", "%s is stored up to %d, and the portion goes from %d to %d", p.Source, mark, p.From, p.To)
		case stored && p.From > mark:
			s.stats.Add("gaps", 1)
			s.stats.Add("gap_bytes", int(p.From-mark))
			s.gaps.Warn(s.o.Log, "part of a source is missing", "host", known.Host, "source", p.Source, "from", mark, "to", p.From)
		}
		for j := range p.Messages {
			s.received(&p.Messages[j], known, now)
		}
		messages = append(messages, p.Messages...)
		if !p.free() {
			at[p.Source] = p.To
			marks = append(marks, Mark{p.Source, p.To})
		}
	}
	fresh := 0
	for source, pos := range at {
		if _, known := a.marks[source]; !known && pos != 0 {
			fresh++
		}
	}
	if fresh > 0 && len(a.marks)+fresh > maxMarks {
		return nil, nil, refuse(http.StatusInsufficientStorage, "marks", "more than %d sources of one agent", maxMarks)
	}
	return messages, marks, nil
}

// received makes a message one that was received here: by our clock, from the
// agent's address. Its own time is that of its agent where it says none.
func (s *Server) received(m *syslog.Message, known Contact, now time.Time) {
	m.Time = m.When()
	m.Received = now
	if !m.Sender.IsValid() || m.Sender.IsLoopback() {
		m.Sender = known.Addr
	}
	if m.Host == "" {
		m.Host = known.Host
	}
}

// put stores messages and marks in one write, with the number of the batch.
func (s *Server) put(ctx context.Context, id string, seq uint64, messages []syslog.Message, marks []Mark) error {
	full := make([]Mark, 0, len(marks)+1)
	last := map[string]int{}
	for _, m := range marks {
		m.Source = prefix(id) + m.Source
		if i, again := last[m.Source]; again {
			full[i] = m
			continue
		}
		last[m.Source] = len(full)
		full = append(full, m)
	}
	return s.o.Store.PutMarked(ctx, messages, append(full, Mark{prefix(id), seq}))
}

// samples stores samples under the agent's labels, and returns how many were
// refused, which are counted by reason.
func (s *Server) samples(ctx context.Context, id *Identity, batch []rrd.Sample) (refused int, err error) {
	kept := batch[:0]
	for _, x := range batch {
		if x.Key, err = id.label(x.Key); err != nil {
			s.stats.Add("samples_"+string(rrd.RefusedKey), 1)
			refused++
			continue
		}
		kept = append(kept, x)
	}
	if len(kept) == 0 {
		return refused, nil
	}
	err = s.o.Metrics.Append(ctx, kept)
	if some, ok := errors.AsType[*rrd.BatchError](err); ok {
		for _, r := range some.Refused {
			s.stats.Add("samples_"+string(r.Reason), 1)
		}
		return refused + len(some.Refused), nil
	}
	return refused, err
}
