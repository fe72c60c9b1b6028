package main

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"rondo/autoscale/s3"
	"rondo/autoscale/s3/s3test"
	"rondo/syslogd"
	"rondo/syslogd/logimport"
	"rondo/syslogd/logstore"
	"rondo/syslogd/out"
	"rondo/syslogd/out/archive"
	"rondo/syslogd/syslog"
)

// TestArchiveAndBack: messages go to a real S3 server that is killed again and
// again, and come back into a store equal, each once.
func TestArchiveAndBack(t *testing.T) {
	gateway := s3test.Start(t, "bucket")
	conf := s3.Config{Endpoint: gateway.URL(), AccessKey: s3test.AccessKey, SecretKey: s3test.SecretKey}
	c := archive.Config{
		To: "s3://bucket/some/prefix", Size: 100 << 10, Age: time.Minute,
		Endpoint: conf.Endpoint, AccessKey: conf.AccessKey, SecretKey: out.Secret(conf.SecretKey),
	}
	d, err := s3Config{&c}.build()
	if err != nil {
		t.Fatal(err)
	}
	sent := archived(5000)
	const kills = 4
	for cursor, round := 0, 0; cursor < len(sent.Messages); round++ {
		if round > 0 && round <= kills {
			if err := gateway.Restart(); err != nil {
				t.Fatal(err)
			}
		}
		cursor += archiveSome(t, d, sent.From(cursor), func(done int) bool {
			killed := round < kills && done > rand.N(3000)
			if killed {
				gateway.Kill()
			}
			return killed
		})
	}
	got := takeBack(t, conf)
	same := gocmp.Comparer(func(a, b netip.Addr) bool { return a == b })
	if diff := gocmp.Diff(sent.Messages, got, same); diff != "" {
		t.Error(diff)
	}
}

// archived makes messages of an hour.
func archived(n int) out.Batch {
	b := out.Batch{Log: "q7"}
	start := time.Now().Add(-2 * time.Hour).UTC().Truncate(time.Second)
	for i := range n {
		at := start.Add(time.Duration(i) * time.Hour / time.Duration(n))
		line := fmt.Sprintf("<%d>1 %s host-%d app %d - [a@1 k=\"%d\"] message caf\xe9 %d %s", i%192, at.Format(time.RFC3339Nano), i%5, i, i, i, strings.Repeat("x", i%50))
		b.Numbers = append(b.Numbers, uint64(i))
		b.Messages = append(b.Messages, syslog.Parse(line, at.Add(time.Second).Truncate(time.Millisecond), netip.MustParseAddr("10.0.0.7")))
	}
	return b
}

// archiveSome is a session, and how many messages it has settled. killed is
// called between batches, and says whether the server is gone.
func archiveSome(t *testing.T, d out.Destination, batch out.Batch, killed func(done int) bool) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s, err := d.Open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(batch.Messages) && err == nil; i += 100 {
		end := min(i+100, len(batch.Messages))
		err = s.Send(ctx, out.Batch{Log: batch.Log, Numbers: batch.Numbers[i:end], Messages: batch.Messages[i:end]})
		if err == nil && killed(end) {
			cancel() // else the client tries again for a long time
			break
		}
	}
	_ = s.Close(ctx) // it fails where the server was killed
	n, _ := s.Settled()
	return int(n)
}

// takeBack imports a bucket into a store, and returns what is in it, in order
// of the messages' numbers.
func takeBack(t *testing.T, conf s3.Config) []syslog.Message {
	t.Helper()
	store, err := logstore.Open(filepath.Join(t.TempDir(), "logs"), logstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	bucket, err := s3.New(t.Context(), conf, "bucket", "")
	if err != nil {
		t.Fatal(err)
	}
	importer := logimport.Importer{Target: logimport.NewLocal(store, func(b []syslog.Message) []syslog.Message { return b })}
	objects := 0
	err = bucket.List(t.Context(), "some/prefix/logs/", func(name string, size int64, changed time.Time) error {
		objects++
		_, err := importer.File(t.Context(), bucketFile(bucket, "s3://bucket/", name, size, changed))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []syslog.Message
	for m, err := range store.Search(t.Context(), syslogd.Query{From: time.Unix(0, 0), To: time.Now(), Limit: 1 << 20}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, m)
	}
	t.Logf("%d messages in %d objects", len(got), objects)
	slices.SortFunc(got, func(a, b syslog.Message) int { return cmp.Compare(numberOf(a), numberOf(b)) })
	return got
}

func numberOf(m syslog.Message) int {
	n, _ := strconv.Atoi(m.PID)
	return n
}
