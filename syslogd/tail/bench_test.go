package tail

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// The whole way from a file to a sink that throws everything away.
func BenchmarkTail(b *testing.B) {
	log := filepath.Join(b.TempDir(), "app.log")
	var text bytes.Buffer
	for i := range 300_000 {
		fmt.Fprintf(&text, "2026-10-11T22:14:15.%06dZ INFO request %d of user-%d took %d ms, status=200 path=/api/v1/orders/%d agent=\"curl/8.5.0\"\n", i, i, i%1000, i%97, i)
	}
	if err := os.WriteFile(log, text.Bytes(), 0o600); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(text.Len()))
	b.ReportAllocs()
	for b.Loop() {
		tl := newTailer(b, Config{Files: []Input{{Paths: []string{log}}}}, "")
		lines := 0
		null := SinkFunc(func(_ context.Context, batch Batch) error {
			lines += len(batch.Messages)
			return nil
		})
		tl.begin(savedState{}, nil, time.Now())
		for more := true; more; {
			var err error
			if more, err = tl.step(b.Context(), time.Now(), null); err != nil {
				b.Fatal(err)
			}
		}
		tl.end()
		if lines != 300_000 {
			b.Fatalf("%d lines", lines)
		}
	}
}

// What a look at a thousand quiet files costs, which happens twice a minute.
func BenchmarkScan(b *testing.B) {
	dir := b.TempDir()
	for i := range 1000 {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("app%d.log", i)), []byte("a line\n"), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	tl := newTailer(b, Config{Files: []Input{{Paths: []string{filepath.Join(dir, "*.log")}}}}, "")
	tl.begin(savedState{}, nil, time.Now())
	b.ReportAllocs()
	for b.Loop() {
		tl.rescan = true
		if _, err := tl.step(b.Context(), time.Now(), newReceiver()); err != nil {
			b.Fatal(err)
		}
	}
	tl.end()
}
