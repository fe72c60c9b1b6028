package main

import (
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rondo/rrd/store"
)

// TestSeriesChangeKilled kills the server in the midst of changes of some
// thousand series. It goes on where it was, and no sample is lost.
func TestSeriesChangeKilled(t *testing.T) {
	const series, rounds = 3000, 30
	p := newProc(t, crashConfig)
	p.start()
	now := time.Now().Unix()
	for at := 0; at < rounds; at++ {
		var text strings.Builder
		for i := range series {
			fmt.Fprintf(&text, "crash.change.s%d %d %d\n", i, at, now-int64(rounds-at)*30)
		}
		if err := sendAndWait(p.addr("graphite"), text.String()); err != nil {
			t.Fatal(err)
		}
	}
	bin, err := exec.LookPath("rondo")
	if err != nil {
		t.Fatal(err)
	}
	archives := [][]string{{"--archives=1s for 3h", "--archives=1m for 1d"}, {"--archives=1s for 2h", "--archives=10s for 1d", "--archives=5m for 7d"}}
	for round := range 4 {
		args := append([]string{"series", "change", "crash.change.*", "--yes", "--detach", "--data", filepath.Join(p.dir, "data")}, archives[round%2]...)
		if out, err := exec.Command(bin, args...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v", out, err)
		}
		enough := rand.IntN(series)
		awaitChange(t, p, func(c *store.Progress) bool { return c.Done >= enough })
		p.kill()
		p.start()
		awaitChange(t, p, func(c *store.Progress) bool { return false })
		got := map[string]float64{}
		readSamples(t, p, `sum(sum_over_time({__name__=~"crash[.]change[.].*"}[1h]))`, got)
		if want := float64(series * rounds * (rounds - 1) / 2); got[""] != want {
			t.Errorf("round %d: the samples' sum is %v, want %v", round, got[""], want)
		}
		var infos []store.Info
		if err := p.get("/api/series?match=crash.change.*", &infos); err != nil || len(infos) != series {
			t.Fatalf("%d series, %v", len(infos), err)
		}
		unchanged := 0
		for _, s := range infos {
			if "--archives="+s.Archives[0].Archive != archives[round%2][0] {
				unchanged++
			}
		}
		if unchanged > 0 {
			t.Errorf("round %d: %d of %d series are unchanged", round, unchanged, series)
		}
	}
	p.stop()
}

// awaitChange waits until a change has come far enough, or none is running.
func awaitChange(t *testing.T, p *proc, enough func(*store.Progress) bool) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(2 * time.Millisecond) {
		var c store.Progress
		if err := p.get("/api/series/changes", &c); err != nil || time.Now().After(end) {
			t.Fatalf("%+v, %v", c, err)
		}
		if c.Started.IsZero() || !c.Ended.IsZero() || enough(&c) {
			return
		}
	}
}
