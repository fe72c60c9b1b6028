package archive

import (
	"bytes"
	"compress/gzip"
	"context"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/errgroup"

	"rondo/syslogd/syslog"
	"rondo/syslogd/syslog/jsonl"
)

const (
	// packBytes of lines are compressed at a time: formats of compression
	// allow pieces one behind the other.
	packBytes = 256 << 10
	// putters is how many objects of a round are put at the same time.
	putters = 8
)

// A round is messages that are settled together.
type round struct {
	period   time.Time // of reception, in which it begins
	began    time.Time
	messages uint64
	bytes    int64 // of lines
	objects  map[string]*object
}

// An object is what a round has for a key.
type object struct {
	name   string
	lines  []byte // not yet compressed
	packed []byte
}

func newRound(period time.Time) *round {
	return &round{period: period, began: time.Now(), objects: map[string]*object{}}
}

// over reports whether the round ends before a line of so many bytes.
func (r *round) over(period time.Time, key []byte, size int, c Config) bool {
	return period.After(r.period) || r.bytes+int64(size) > c.Size ||
		len(r.objects) >= c.MaxObjects && r.objects[string(key)] == nil
}

// object is that of a key; it has no name yet if it is new.
func (r *round) object(key []byte) *object {
	o := r.objects[string(key)]
	if o == nil {
		o = &object{}
		r.objects[string(key)] = o
	}
	return o
}

// put puts all objects.
func (r *round) put(ctx context.Context, b Bucket, p *packer) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(putters)
	for _, o := range r.objects {
		g.Go(func() error {
			if err := p.pack(o); err != nil {
				return err
			}
			return b.Put(ctx, o.name, bytes.NewReader(o.packed))
		})
	}
	return g.Wait()
}

func appendLine(dst []byte, m *syslog.Message) []byte { return append(jsonl.Append(dst, m), '\n') }

// A packer compresses; it is safe for concurrent use.
type packer struct {
	mu   sync.Mutex
	zstd *zstd.Encoder // nil: gzip
	gzip *gzip.Writer
}

func newPacker(c Compression) (*packer, error) {
	if c == Gzip {
		return &packer{gzip: gzip.NewWriter(nil)}, nil
	}
	z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(packBytes))
	return &packer{zstd: z}, err
}

// pack compresses the lines of an object.
func (p *packer) pack(o *object) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(o.lines) == 0 {
		return nil
	}
	lines := o.lines
	o.lines = o.lines[:0]
	if p.zstd != nil {
		o.packed = p.zstd.EncodeAll(lines, o.packed)
		return nil
	}
	out := bytes.NewBuffer(o.packed)
	p.gzip.Reset(out)
	if _, err := p.gzip.Write(lines); err != nil {
		return err
	}
	err := p.gzip.Close()
	o.packed = out.Bytes()
	return err
}
