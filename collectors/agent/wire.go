package agent

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/klauspost/compress/zstd"

	"rondo/rrd"
	"rondo/syslogd/syslog"
)

// The paths of the protocol, below which a server mounts it.
const (
	Path      = "/agent/v1/"
	HelloPath = Path + "hello"
	PushPath  = Path + "push"
)

// Bounds of one push. A client keeps them, a server refuses what is beyond.
const (
	maxBody     = 4 << 20 // bytes as sent
	maxBatch    = 4 << 20 // bytes decompressed
	maxMessages = 50_000
	maxSamples  = 20_000
	maxPortions = 20_000
	maxSource   = 256 // bytes of a source's name
	maxStatus   = 16 << 10
	windowBytes = 512 << 10 // of zstd: what each side must hold
)

const wireVersion = 1

// The kinds of frames.
const (
	framePortion = 'P'
	frameSamples = 'S'
	frameStatus  = 'H'
)

const (
	flagReset = 1 << iota
	flagForget
)

// ErrWire is the error of a push that no client of ours makes.
var ErrWire = errors.New("agent: bad push")

// A Mark is how far a source of an agent has been stored.
type Mark struct {
	Source string `json:"source"` // one of the agent's files, its spool
	Pos    uint64 `json:"pos"`
}

// A Portion is what was read of a source between two positions, in order. With
// both at 0 it has no mark of its own: its messages are of several sources, whose
// marks stand in other portions of the batch.
type Portion struct {
	Source   string
	From, To uint64
	Reset    bool // the source has begun anew: its mark goes back
	Forget   bool // the source is gone: its mark is of no use any more
	Messages []syslog.Message
}

// free reports whether the portion has no mark.
func (p *Portion) free() bool { return p.To == 0 && !p.Reset && !p.Forget }

// A Batch is what one push carries. It is stored whole or not at all.
type Batch struct {
	Session  string // made anew by each start of an agent
	Seq      uint64 // grows with each batch; the same one sent again has its old one
	Portions []Portion
	Samples  []rrd.Sample
	Status   []byte // JSON of a Status; nil: none

	messages int
}

// appendHead begins a batch; frames follow.
func appendHead(dst []byte, session string, seq uint64) []byte {
	return binary.AppendUvarint(syslog.AppendBinaryString(append(dst, wireVersion), session), seq)
}

func appendFrame(dst []byte, kind byte, payload []byte) []byte {
	return append(binary.AppendUvarint(append(dst, kind), uint64(len(payload))), payload...)
}

// appendPortion appends the payload of a frame with a portion.
func appendPortion(dst []byte, p *Portion) []byte {
	var flags byte
	if p.Reset {
		flags |= flagReset
	}
	if p.Forget {
		flags |= flagForget
	}
	dst = append(syslog.AppendBinaryString(dst, p.Source), flags)
	dst = binary.AppendUvarint(dst, p.From)
	dst = binary.AppendUvarint(dst, p.To)
	return appendMessages(dst, p.Messages)
}

// appendMessages appends messages behind their number.
func appendMessages(dst []byte, batch []syslog.Message) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(batch)))
	base := int64(0)
	for i := range batch {
		dst = syslog.AppendBinary(dst, &batch[i], base)
		base = batch[i].Received.UnixMilli()
	}
	return dst
}

// appendSamples appends the payload of a frame with samples.
func appendSamples(dst []byte, samples []rrd.Sample) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(samples)))
	last := rrd.Time(0)
	for _, s := range samples {
		dst = append(syslog.AppendBinaryString(dst, string(s.Key)), byte(s.Type))
		dst = binary.AppendVarint(dst, int64(s.Time-last))
		dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(s.Value))
		last = s.Time
	}
	return dst
}

// readBatch reads a batch. It trusts nothing; strings are parts of b.
func readBatch(b string) (*Batch, error) {
	r := syslog.NewBinaryReader(b)
	if v := r.Byte(); v != wireVersion {
		return nil, fmt.Errorf("%w: version %d, want %d", ErrWire, v, wireVersion)
	}
	batch := &Batch{Session: r.String(), Seq: r.Uvarint()}
	for r.Len() > 0 {
		kind := r.Byte()
		payload := r.String()
		if r.Err() != nil {
			break
		}
		if err := batch.frame(kind, syslog.NewBinaryReader(payload), payload); err != nil {
			return nil, err
		}
	}
	if r.Err() != nil || !isName(batch.Session) {
		return nil, fmt.Errorf("%w: cut short, or without a session", ErrWire)
	}
	return batch, nil
}

// frame reads one frame into the batch.
func (b *Batch) frame(kind byte, r *syslog.BinaryReader, payload string) (err error) {
	switch kind {
	case framePortion:
		err = b.portion(r)
	case frameSamples:
		b.Samples, err = readSamples(b.Samples, r)
	case frameStatus:
		if b.Status = []byte(payload); len(payload) > maxStatus {
			err = errors.New("status too long")
		}
		return err
	default:
		return fmt.Errorf("%w: frame %q", ErrWire, kind)
	}
	if err == nil && r.Len() > 0 {
		err = errors.New("bytes behind a frame")
	}
	if err = errors.Join(err, r.Err()); err != nil {
		return fmt.Errorf("%w: %w", ErrWire, err)
	}
	return nil
}

func (b *Batch) portion(r *syslog.BinaryReader) (err error) {
	p := Portion{Source: r.String()}
	flags := r.Byte()
	p.Reset, p.Forget = flags&flagReset != 0, flags&flagForget != 0
	p.From, p.To = r.Uvarint(), r.Uvarint()
	switch {
	case p.Source == "" || len(p.Source) > maxSource:
		return errors.New("source without a name, or one too long")
	case p.From > p.To:
		return errors.New("portion that goes backwards")
	case len(b.Portions) == maxPortions:
		return errors.New("too many portions")
	}
	if p.Messages, err = readMessages(r, maxMessages-b.messages); err != nil {
		return err
	}
	b.messages += len(p.Messages)
	b.Portions = append(b.Portions, p)
	return nil
}

// leastMessage is how many bytes a message takes at least, and leastSample a
// sample: a number that promises more than can be there is refused before
// memory is taken for it.
const (
	leastMessage = 13
	leastSample  = 11
	maxFacility  = 23
)

func readMessages(r *syslog.BinaryReader, most int) ([]syslog.Message, error) {
	n := r.Uvarint()
	if n > uint64(most) || n > uint64(r.Len()/leastMessage) {
		return nil, errors.New("too many messages")
	}
	batch := make([]syslog.Message, n)
	base := int64(0)
	for i := range batch {
		m := &batch[i]
		base = r.Message(m, base)
		if m.Format > syslog.RFC5424 || m.Facility > maxFacility || m.Severity > syslog.Debug {
			return nil, errors.New("message of an unknown kind")
		}
	}
	return batch, r.Err()
}

func readSamples(dst []rrd.Sample, r *syslog.BinaryReader) ([]rrd.Sample, error) {
	n := r.Uvarint()
	if n > uint64(maxSamples-len(dst)) || n > uint64(r.Len()/leastSample) {
		return dst, errors.New("too many samples")
	}
	last := rrd.Time(0)
	for range n {
		s := rrd.Sample{Key: rrd.Key(r.String()), Type: rrd.Type(r.Byte())}
		last += rrd.Time(r.Varint())
		s.Time, s.Value = last, math.Float64frombits(fixed64(r))
		if s.Type > rrd.Absolute {
			return dst, errors.New("sample of an unknown type")
		}
		dst = append(dst, s)
	}
	return dst, r.Err()
}

// fixed64 reads eight bytes, little endian.
func fixed64(r *syslog.BinaryReader) (v uint64) {
	for i := range 8 {
		v |= uint64(r.Byte()) << (8 * i)
	}
	return v
}

// isName reports whether s can be the id of an agent or of a session: it is
// part of the names of marks and stands in logs.
func isName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return s != "" && len(s) <= 64
}

// newEncoder compresses pushes: one at a time, in little memory.
func newEncoder() (*zstd.Encoder, error) {
	return zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(windowBytes), zstd.WithSingleSegment(true))
}

// newDecoder decompresses pushes. What would be longer than a batch may be is
// an error before it is made.
func newDecoder() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(maxBatch), zstd.WithDecoderMaxWindow(8<<20))
}
