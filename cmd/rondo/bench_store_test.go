package main

import (
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// sizes sends over Graphite TCP to servers of ten thousand and of a million
// series; ingest has those between.
func (t *table) sizes(b *testing.B) {
	for _, size := range []struct{ hosts, rounds int }{{100, 200}, {10_000, 5}} {
		const metrics = 100
		series := size.hosts * metrics
		p := newProc(b, benchConfig)
		p.start()
		f := newBenchFleet(size.hosts, metrics, plainName)
		now := time.Now().Unix() / benchStep * benchStep
		first := p.sendRounds(f, 1, now-int64(size.rounds)*benchStep)
		name := quantity(float64(series), "series")
		t.add("new series over Graphite TCP, until "+name+" are on disk", "VictoriaMetrics 14.4 s (1M)", first.wall.Seconds(), "s", goal{})
		s := p.sendRounds(f, size.rounds, now)
		samples := float64(size.rounds * series)
		t.add("Graphite TCP, CPU per sample, "+name, "", s.cpu.Seconds()*1e6/samples, "us", atMost(0.40))
		t.note("%s with the generator on the same cores", quantity(samples/s.wall.Seconds(), "samples/s"))
		p.stop()
	}
}

// store runs the benchmarks of the store alone: lives of many series, turns of
// the rings, rings that are full.
func (t *table) store(b *testing.B) {
	got := storeFigures(b, "Scale|Turns|FullRings")
	for _, n := range []string{"10000", "100000", "1000000"} {
		at := func(figure string) float64 { return got["Scale/"+n+" "+figure] }
		what := fmt.Sprintf("store alone, %s series: ", n)
		t.add(what+"CPU per sample", "", at("cpu-ns/sample")/1e3, "us", goal{})
		t.add(what+"memory per series after six hours, RSS", "VictoriaMetrics 657 B (1M)", at("rss-B/series"), "B", atMost(1000))
		t.note("heap %s, log and blocks on the device %s per value", quantity(at("heap-B/series"), "B"), quantity(at("device-B")/at("device-values"), "B"))
	}
	million := func(what, peer, figure string, g goal) { t.add(what, peer, got["Scale/1000000 "+figure], "s", g) }
	million("1M new series", "VictoriaMetrics 14.4 s", "register-s", atMost(3))
	million("restart with 1M series after six hours, clean", "rrdcached 55-71 s (first touch)", "restart-s", atMost(5))
	million("restart with 1M series after six hours, after kill -9", "", "restart-killed-s", atMost(30))
	t.add("disk per series, classic archives (8,364 rows), full", "RRD 203 KB", got["FullRings/classic B/series"], "B", atMost(40e3))
	t.add("disk per series, default archives (54,900 rows), full", "", got["FullRings/default B/series"], "B", goal{})
	for _, ring := range []string{"10s-2160", "60s-2880"} {
		worst := 0.0
		var curve []string
		for turn := 1; turn <= 10; turn++ {
			ratio := got[fmt.Sprintf("Turns %s/turn-%d", ring, turn)]
			worst = max(worst, ratio)
			curve = append(curve, quantity(ratio, ""))
		}
		t.add("disk over live data in ten turns of the rings, "+ring, "Badger as it comes 2.6-8.7", worst, "x", atMost(1.5))
		t.note("turn by turn %s", strings.Join(curve, " "))
	}
}

// storeFigures runs benchmarks of rrd/store and returns what they report, by
// benchmark and unit.
func storeFigures(b *testing.B, which string) map[string]float64 {
	b.Helper()
	out, err := exec.Command("go", "test", "-run=^$", "-bench=^Benchmark("+which+")$", "-benchtime=1x", "-timeout=40m", "../../rrd/store").CombinedOutput()
	if err != nil {
		b.Fatalf("go test: %v\n%s", err, out)
	}
	figures := map[string]float64{}
	for _, line := range regexp.MustCompile(`(?m)^Benchmark(\S+?)(?:-\d+)?\s+\d+\s+(.*)$`).FindAllSubmatch(out, -1) {
		fields := strings.Fields(string(line[2]))
		for i := 0; i+1 < len(fields); i += 2 {
			v, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				b.Fatal(err)
			}
			figures[string(line[1])+" "+fields[i+1]] = v
		}
	}
	return figures
}
