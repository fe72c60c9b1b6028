package logfile

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/klauspost/compress/zstd"

	"rondo/syslogd/syslog"
	"rondo/syslogd/syslog/journal"
	"rondo/syslogd/syslog/jsonl"
)

// Format is how the messages of a file are written.
type Format string

// The formats.
const (
	JSONLines Format = "jsonl"
	Journal   Format = "journal"
	Lines     Format = "lines"
)

const (
	// DefaultMaxLine is the longest line that is taken whole.
	DefaultMaxLine = 1 << 20
	// maxWindow bounds the memory that a compressed file may ask for; it is
	// that of "zstd --ultra".
	maxWindow = 128 << 20
	headBytes = 4 << 10
)

// ErrNotText is what files are refused with that hold no lines of text. To
// take them as lines would fill a store with rubbish that nobody can take out
// of it again.
var ErrNotText = errors.New("no log file: its content is not text")

// Options of a Reader.
type Options struct {
	// Written is about when the file was written; see the package comment.
	Written time.Time
	MaxLine int // bytes; DefaultMaxLine
}

// A Reader reads the messages of a file.
type Reader struct {
	o       Options
	format  Format
	in      *bufio.Reader
	journal *journal.Reader
	close   func()
	line    []byte
}

// NewReader begins to read a file. The caller closes the Reader.
func NewReader(r io.Reader, o Options) (*Reader, error) {
	if o.MaxLine <= 0 {
		o.MaxLine = DefaultMaxLine
	}
	out := &Reader{o: o, in: bufio.NewReaderSize(r, 64<<10), close: func() {}}
	if err := out.unpack(); err != nil {
		return nil, fmt.Errorf("logfile: %w", err)
	}
	head, err := out.in.Peek(headBytes)
	if err != nil && !errors.Is(err, io.EOF) {
		out.close()
		return nil, fmt.Errorf("logfile: %w", err)
	}
	out.format = formatOf(head)
	if err := notText(head); err != nil && out.format == Lines {
		out.close()
		return nil, fmt.Errorf("logfile: %w", err)
	}
	if out.format == Journal {
		out.journal = journal.NewReader(out.in, netip.Addr{}, journal.Limits{Message: o.MaxLine})
	}
	return out, nil
}

// unpack puts a decompressor in front, if the file needs one.
func (r *Reader) unpack() error {
	head, _ := r.in.Peek(4) // a shorter file is not compressed
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(r.in)
		if err != nil {
			return err
		}
		r.in = bufio.NewReaderSize(z, 64<<10)
	case bytes.Equal(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(r.in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true))
		if err != nil {
			return err
		}
		r.close = z.Close
		r.in = bufio.NewReaderSize(z, 64<<10)
	}
	return nil
}

// formatOf tells the format by a file's first bytes.
func formatOf(head []byte) Format {
	head = bytes.TrimLeft(head, " \t\r\n")
	switch {
	case bytes.HasPrefix(head, []byte("{")):
		return JSONLines
	case bytes.HasPrefix(head, []byte("__CURSOR=")), bytes.HasPrefix(head, []byte("__REALTIME_TIMESTAMP=")),
		bytes.HasPrefix(head, []byte("__MONOTONIC_TIMESTAMP=")), bytes.HasPrefix(head, []byte("_BOOT_ID=")):
		return Journal
	}
	return Lines
}

// notText says whether a file of lines begins with what is none. A run of zero
// bytes in front is the hole that copytruncate leaves, and not the content.
func notText(head []byte) error {
	for magic, hint := range map[string]string{
		"LPKSHHRH":      "a journal; import what `journalctl --file=FILE -o export` prints",
		"\xfd7zXZ\x00":  "xz; import what `xz -dc` prints",
		"BZh":           "bzip2; import what `bzip2 -dc` prints",
		"\x04\x22M\x18": "lz4; import what `lz4 -dc` prints",
	} {
		if bytes.HasPrefix(head, []byte(magic)) {
			return fmt.Errorf("%w (%s)", ErrNotText, hint)
		}
	}
	if bytes.IndexByte(bytes.TrimLeft(head, "\x00"), 0) >= 0 {
		return ErrNotText
	}
	return nil
}

// Format is how the file's messages are written.
func (r *Reader) Format() Format { return r.format }

// Close frees what the Reader holds; what it reads from stays the caller's.
func (r *Reader) Close() { r.close() }

// Next returns the next message, and io.EOF behind the last one. An error of
// the file, such as one that is cut off, is final.
func (r *Reader) Next() (syslog.Message, error) {
	m, err := r.next()
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("logfile: %w", err)
	}
	return m, err
}

func (r *Reader) next() (syslog.Message, error) {
	if r.journal != nil {
		m, err := r.journal.Next(r.o.Written)
		m.Received = m.When()
		return m, err
	}
	line, cut, err := r.nextLine()
	if err != nil {
		return syslog.Message{}, err
	}
	var m syslog.Message
	ours := false
	if r.format == JSONLines && !cut {
		m, err = jsonl.Parse(line)
		ours = err == nil
	}
	if !ours {
		m = syslog.Parse(string(line), r.o.Written, netip.Addr{})
	}
	m.Truncated = m.Truncated || cut
	if !ours || m.Received.IsZero() {
		if m.Received = m.Time; m.Time.IsZero() {
			m.Received = r.o.Written
		}
	}
	return m, nil
}

// nextLine returns the next line that is not empty, without its end.
func (r *Reader) nextLine() (line []byte, cut bool, err error) {
	for {
		r.line, cut = r.line[:0], false
		for {
			part, e := r.in.ReadSlice('\n')
			room := r.o.MaxLine + 1 - len(r.line) // one more, which may be the line's end
			cut = cut || len(part) > room
			r.line = append(r.line, part[:min(len(part), room)]...)
			if err = e; !errors.Is(e, bufio.ErrBufferFull) {
				break
			}
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, false, err
		}
		line := bytes.TrimRight(r.line, "\r\n")
		if len(line) > r.o.MaxLine {
			line, cut = line[:r.o.MaxLine], true
		}
		if len(line) > 0 {
			return line, cut, nil
		}
		if err != nil {
			return nil, false, io.EOF
		}
	}
}
