package s3

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rondo/autoscale/s3/s3test"
)

func open(t *testing.T, endpoint, prefix string) *Bucket {
	t.Helper()
	c := Config{Endpoint: endpoint, AccessKey: s3test.AccessKey, SecretKey: s3test.SecretKey}
	b, err := connect(t.Context(), c, "bucket", prefix, 10*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

func get(t *testing.T, b *Bucket, name string) []byte {
	t.Helper()
	r, err := b.Get(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func list(t *testing.T, b *Bucket, prefix string) (names []string) {
	t.Helper()
	err := b.List(t.Context(), prefix, func(name string, size int64, changed time.Time) error {
		if time.Since(changed).Abs() > time.Hour {
			t.Errorf("%s changed at %v", name, changed)
		}
		names = append(names, fmt.Sprint(name, " ", size))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestBucket(t *testing.T) {
	t.Parallel()
	g := s3test.Start(t, "bucket")
	b, other := open(t, g.URL(), "some/prefix/"), open(t, g.URL(), "")
	for _, n := range []int{0, 1, partBytes - 1, partBytes, partBytes + 1, 2*partBytes + 77} {
		name, want := fmt.Sprintf("objects/%08d", n), noise(n)
		if err := b.Put(t.Context(), name, bytes.NewReader(want)); err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		if got := get(t, b, name); !bytes.Equal(got, want) {
			t.Errorf("%d bytes of %d come back, or others", len(got), n)
		}
	}
	if got := list(t, b, "objects/"); len(got) != 6 || got[1] != "objects/00000001 1" || !slices.IsSorted(got) {
		t.Errorf("listed %q", got)
	}
	if got := list(t, other, "some/prefix/objects/0000"); len(got) != 2 {
		t.Errorf("listed %q", got)
	}
	if _, err := b.Get(t.Context(), "objects/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an object that is not there: %v", err)
	}
	for range 2 {
		if err := b.Delete(t.Context(), "objects/00000001"); err != nil {
			t.Error(err)
		}
	}
	if got := list(t, b, "objects/"); len(got) != 5 {
		t.Errorf("after one was removed: %q", got)
	}
}

// TestManyPages: a listing is longer than one answer.
func TestManyPages(t *testing.T) {
	t.Parallel()
	g := s3test.Start(t, "bucket")
	b := open(t, g.URL(), "")
	const n = 1100
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := w; i < n; i += 4 {
				if err := b.Put(t.Context(), fmt.Sprintf("o/%04d", i), strings.NewReader("x")); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if got := list(t, b, "o/"); len(got) != n || got[n-1] != "o/1099 1" {
		t.Errorf("%d objects listed of %d", len(got), n)
	}
}

// cutter passes connections on and cuts the first of them after so many bytes.
type cutter struct {
	l     net.Listener
	to    string
	after int64
	left  atomic.Int64 // connections to be cut
}

func newCutter(t *testing.T, to string, after, times int64) *cutter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{l: l, to: to, after: after}
	c.left.Store(times)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { c.pass(conn) })
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return c
}

func (c *cutter) pass(conn net.Conn) {
	defer conn.Close()
	far, err := net.Dial("tcp", c.to)
	if err != nil {
		return
	}
	defer far.Close()
	go func() {
		_, _ = io.Copy(conn, far)
		conn.Close()
	}()
	if _, err := io.CopyN(far, conn, c.after); err == nil && c.left.Add(-1) < 0 {
		_, _ = io.Copy(far, conn)
	}
}

// TestInterrupted: uploads that break on their way are tried again, and leave
// nothing where that does not help.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	g := s3test.Start(t, "bucket")
	want := noise(partBytes + 3<<20)
	c := newCutter(t, g.Addr, 2<<20, 2)
	b := open(t, "http://"+c.l.Addr().String(), "")
	for name, size := range map[string]int{"small": 5 << 20, "parts": len(want)} {
		if err := b.Put(t.Context(), name, bytes.NewReader(want[:size])); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := get(t, b, name); !bytes.Equal(got, want[:size]) {
			t.Errorf("%s is not what was sent", name)
		}
		c.left.Store(2)
	}
	c.left.Store(1 << 30)
	for _, size := range []int{5 << 20, len(want)} {
		if err := b.Put(t.Context(), "broken", bytes.NewReader(want[:size])); err == nil {
			t.Error("an upload that was cut each time succeeded")
		}
	}
	errReader := io.MultiReader(bytes.NewReader(want), errorReader{})
	if err := open(t, g.URL(), "").Put(t.Context(), "broken", errReader); !errors.Is(err, errBroken) {
		t.Errorf("a source that breaks: %v", err)
	}
	if got := list(t, open(t, g.URL(), ""), ""); len(got) != 2 {
		t.Errorf("there is %q", got)
	}
}

var errBroken = errors.New("broken")

type errorReader struct{}

func (errorReader) Read([]byte) (int, error) { return 0, errBroken }

// TestRefusals: what the server says is passed on, without the secret.
func TestRefusals(t *testing.T) {
	t.Parallel()
	g := s3test.Start(t, "bucket")
	c := Config{Endpoint: g.URL(), AccessKey: s3test.AccessKey, SecretKey: "not-the-secret-of-it"}
	wrong, err := New(t.Context(), c, "bucket", "")
	if err != nil {
		t.Fatal(err)
	}
	c.SecretKey = s3test.SecretKey
	nowhere, err := New(t.Context(), c, "no-such-bucket", "")
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string]*Bucket{"SignatureDoesNotMatch": wrong, "NoSuchBucket": nowhere} {
		err := b.Put(t.Context(), "o", strings.NewReader("x"))
		if err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), c.SecretKey) || strings.Contains(err.Error(), "not-the-secret") {
			t.Errorf("%s: %v", name, err)
		}
		if errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s counts as a missing object", name)
		}
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	for _, c := range []Config{{AccessKey: "a"}, {SecretKey: "s"}, {Endpoint: "127.0.0.1:80"}, {Endpoint: "ftp://h"}, {Endpoint: "http://user:pw@h"}} {
		if err := c.Validate(); err == nil || strings.Contains(err.Error(), "pw") {
			t.Errorf("%+v: %v", c, err)
		}
	}
	for text, want := range map[string]string{"s3://b": "b|", "s3://b/": "b|", "s3://b/p/q/": "b|p/q", "s3:///p": "", "http://b/p": "", "s3://b?x": "", "s3://k:s@b/p": ""} {
		bucket, prefix, err := ParseURL(text)
		if got := bucket + "|" + prefix; err == nil && got != want || (err != nil) != (want == "") {
			t.Errorf("%s: %q %v", text, got, err)
		}
	}
}
