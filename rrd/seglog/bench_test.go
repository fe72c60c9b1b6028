package seglog

import (
	"fmt"
	"testing"
)

func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{100, 10_000, 100_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			l := open(b, b.TempDir(), Options{})
			rec := make([]byte, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := l.Append(rec); err != nil {
					b.Fatal(err)
				}
				if l.End()-l.First() > 1<<30 {
					b.StopTimer()
					if err := l.Cut(l.End()); err != nil {
						b.Fatal(err)
					}
					b.StartTimer()
				}
			}
		})
	}
}

// BenchmarkCommit measures committers that wait for the device, in groups.
func BenchmarkCommit(b *testing.B) {
	for _, p := range []int{1, 64} {
		b.Run(fmt.Sprint(p), func(b *testing.B) {
			l := open(b, b.TempDir(), Options{})
			rec := make([]byte, 200)
			b.SetParallelism(p)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					end, err := l.Append(rec)
					if err != nil {
						b.Error(err)
						return
					}
					if err := l.Commit(b.Context(), end); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

func BenchmarkRead(b *testing.B) {
	l := open(b, b.TempDir(), Options{})
	rec := make([]byte, 200)
	for range 100_000 {
		if _, err := l.Append(rec); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(200 * 100_000)
	b.ReportAllocs()
	for b.Loop() {
		for _, err := range l.Records(0) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}
