package pipe

import (
	"context"
	"fmt"
	"os"
	"time"

	"rondo/syslogd/macro"
	"rondo/syslogd/out"
)

const chunkBytes = 16 << 10 // written at once: some of them fill a pipe

// A Writer writes messages into a pipe, as lines. It is used by one goroutine
// at a time.
type Writer struct {
	pipe  *os.File
	lines *macro.Template

	buf     []byte
	held    uint64 // messages in buf
	sent    uint64 // messages that were written
	written int64  // bytes
	read    uint64 // messages that the reader has
	marks   []mark // chunks that it may not have yet, oldest first
}

// A mark says how many messages the reader has once it has so many bytes.
type mark struct {
	bytes    int64
	messages uint64
}

// NewWriter writes to the writing end of a pipe, which its owner closes.
func NewWriter(pipe *os.File, lines *macro.Template) *Writer {
	return &Writer{pipe: pipe, lines: lines}
}

// Send writes a batch, or holds a part of it back until there is more.
func (w *Writer) Send(ctx context.Context, batch out.Batch) error {
	for i := range batch.Messages {
		w.buf = w.lines.Append(w.buf, &batch.Messages[i])
		if w.held++; len(w.buf) < chunkBytes {
			continue
		}
		if err := w.Flush(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Flush writes what is held back. It waits for the reader for as long as ctx
// allows: a slow one is not a dead one.
func (w *Writer) Flush(ctx context.Context) error {
	if w.held == 0 {
		return nil
	}
	if err := w.pipe.SetWriteDeadline(time.Time{}); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = w.pipe.SetWriteDeadline(time.Unix(1, 0)) })
	defer stop()
	n, err := w.pipe.Write(w.buf)
	w.written += int64(n)
	if err != nil {
		return fmt.Errorf("wrote %d of %d bytes: %w", n, len(w.buf), err)
	}
	w.sent += w.held
	w.marks = append(w.marks, mark{w.written, w.sent})
	w.buf, w.held = w.buf[:0], 0
	return nil
}

// Sent is how many messages were written.
func (w *Writer) Sent() uint64 { return w.sent }

// Read is how many messages the reader has read.
func (w *Writer) Read() uint64 {
	if len(w.marks) == 0 {
		return w.read
	}
	waiting, known := unread(w.pipe)
	if !known {
		return w.read
	}
	n := 0
	for n < len(w.marks) && w.marks[n].bytes <= w.written-int64(waiting) {
		w.read = w.marks[n].messages
		n++
	}
	w.marks = append(w.marks[:0], w.marks[n:]...)
	return w.read
}

// Drain writes what is held back and waits until the reader has read
// everything, or is gone.
func (w *Writer) Drain(ctx context.Context, gone <-chan struct{}) error {
	if err := w.Flush(ctx); err != nil {
		return err
	}
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	for w.Read() < w.sent {
		select {
		case <-ticker.C:
		case <-gone:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// control runs f with the pipe's file descriptor, which stays as it is.
func control(pipe *os.File, f func(fd int)) error {
	raw, err := pipe.SyscallConn()
	if err != nil {
		return err
	}
	return raw.Control(func(fd uintptr) { f(int(fd)) })
}
