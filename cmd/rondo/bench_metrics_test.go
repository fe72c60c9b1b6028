package main

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/url"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"rondo/collectors/graphite"
	"rondo/rrd/store"
)

const benchConfig = `
web: {listen: "127.0.0.1:{web}"}
log: error
rrd:
  schemas:
    - {name: minutes, match: "minute_*", archives: [1m for 14d, 10m for 90d, 2h for 3y]}
    - {name: counters, match: "*net_bytes_*", type: counter}
    - {name: bench, match: "bench.*", archives: [1s for 1h]}
syslogd: {udp: "127.0.0.1:{syslog}", tcp: "127.0.0.1:{syslog}"}
collectors:
  - {kind: graphite, listen: "127.0.0.1:{graphite}"}
`

// A benchFleet makes the samples of a fleet in Graphite's plain text: of each
// host counters, flags that hardly change, whole numbers, and gauges with two
// decimals.
type benchFleet struct {
	names  []string
	values []float64
	rng    *rand.Rand
}

var benchMetrics = [...]string{"net_bytes_%02d", "state_%02d", "queue_%02d", "percent_%02d", "load_%02d"}

func newBenchFleet(hosts, metrics int, name func(host int, metric string) string) *benchFleet {
	f := &benchFleet{rng: rand.New(rand.NewPCG(1, 2)), values: make([]float64, hosts*metrics)}
	for i := range f.values {
		metric := i % metrics
		f.names = append(f.names, name(i/metrics, fmt.Sprintf(benchMetrics[metric%len(benchMetrics)], metric)))
		f.values[i] = math.Round(f.rng.Float64()*1e4) / 100
	}
	return f
}

func hostName(host int) string { return fmt.Sprintf("i-%08x", uint32(host)*2654435761) }

// plainName is a Graphite path.
func plainName(host int, metric string) string {
	return "fleet.web." + hostName(host) + "." + metric
}

// taggedName is a metric with tags.
func taggedName(host int, metric string) string {
	return fmt.Sprintf("%s;dc=eu;host=%s;role=r%d", metric, hostName(host), host%10)
}

// round appends what all series send at one time, and moves them on.
func (f *benchFleet) round(dst []byte, unix int64) []byte {
	for i, name := range f.names {
		v := &f.values[i]
		dst = append(append(dst, name...), ' ')
		decimals := 0
		switch i % len(benchMetrics) {
		case 0:
			*v = math.Round(*v) + float64(f.rng.IntN(50_000))
		case 1:
			if f.rng.IntN(20) == 0 {
				*v = float64(f.rng.IntN(10))
			}
			*v = math.Round(*v)
		case 2:
			*v = math.Round(max(0, *v+f.rng.NormFloat64()*3))
		default:
			*v, decimals = math.Round(100*max(0, *v+f.rng.NormFloat64()*0.4))/100, 2
		}
		dst = strconv.AppendFloat(dst, *v, 'f', decimals, 64)
		dst = strconv.AppendInt(append(dst, ' '), unix, 10)
		dst = append(dst, '\n')
	}
	return dst
}

// A sending is what it took to send.
type sending struct{ wall, cpu time.Duration }

func (s *sending) add(more sending) { s.wall, s.cpu = s.wall+more.wall, s.cpu+more.cpu }

// sendAll sends each text over a connection of its own, at the same time, and
// waits until the server says that all is on disk.
func (p *proc) sendAll(port string, texts ...string) sending {
	p.t.Helper()
	cpu, start := p.cpu(), time.Now()
	var g errgroup.Group
	for _, text := range texts {
		g.Go(func() error { return sendAndWait(p.addr(port), text) })
	}
	if err := g.Wait(); err != nil {
		p.t.Fatal(err)
	}
	return sending{time.Since(start), p.cpu() - cpu}
}

const benchStep = 10 // seconds

// sendRounds sends some rounds of the fleet, the last one at the time until,
// over two connections.
func (p *proc) sendRounds(f *benchFleet, rounds int, until int64) (s sending) {
	const atOnce = 1 << 20 // lines
	blocks := max(1, atOnce/len(f.names))
	for done := 0; done < rounds; {
		var texts [2][]byte
		for range min(blocks, rounds-done) {
			done++
			half := len(texts[0])
			texts[0] = f.round(texts[0], until-int64(rounds-done)*benchStep)
			// The second connection takes half of the series of each round.
			cut := half + lineAfter(texts[0][half:], len(texts[0][half:])/2)
			texts[1] = append(texts[1], texts[0][cut:]...)
			texts[0] = texts[0][:cut]
		}
		s.add(p.sendAll("graphite", string(texts[0]), string(texts[1])))
	}
	return s
}

// lineAfter is where the first line begins that starts at or after an offset.
func lineAfter(text []byte, offset int) int {
	for offset < len(text) && text[offset-1] != '\n' {
		offset++
	}
	return offset
}

// ingest sends 100,000 series over Graphite TCP, and starts the server again
// with them.
func (t *table) ingest(b *testing.B) {
	const hosts, metrics, rounds = 1000, 100, 30
	const series, samples = hosts * metrics, hosts * metrics * rounds
	p := newProc(b, benchConfig)
	p.start()
	empty := p.memory("VmRSS")
	f := newBenchFleet(hosts, metrics, plainName)
	now := time.Now().Unix() / benchStep * benchStep
	first := p.sendRounds(f, 1, now-rounds*benchStep)
	t.add("new series over Graphite TCP", "", series/first.wall.Seconds(), "series/s", goal{})
	s := p.sendRounds(f, rounds, now)
	if got := p.counter("rondo_rrd_samples_total"); got < series+samples {
		b.Fatalf("%.0f samples are stored, %d were sent", got, series+samples)
	}
	t.add("Graphite TCP, CPU per sample, 100k series", "VictoriaMetrics 1.09, Prometheus 4.1 us", s.cpu.Seconds()*1e6/samples, "us", atMost(0.40))
	t.note("%s with the generator on the same cores", quantity(samples/s.wall.Seconds(), "samples/s"))
	t.add("memory per series, 100k series", "VictoriaMetrics 657 B (1M)", (p.memory("VmRSS")-empty)/series, "B", atMost(1000))
	p.awaitHosts(hosts)
	t.query(p, "page / with 1,000 hosts", "", "/", goal{})
	t.query(p, "all values of a label, 100k", "", "/api/v1/label/__name__/values", goal{})
	idle := p.cpu()
	time.Sleep(5 * time.Second)
	t.add("CPU of a server that knows 100k series and hears nothing", "", 100*(p.cpu()-idle).Seconds()/5, "%", goal{})
	idle = p.cpu()
	u := p.stopUsage()
	t.add("bytes written to the device per value", "rrdcached 206-1,659", float64(u.Oublock)*512/samples, "B", atMost(64))
	t.note("with checkpoint and stop the CPU is %s per sample", quantity((s.cpu+rusageTime(u)-idle).Seconds()*1e6/samples, "us"))
	t.restart(p, f, now)
}

// awaitHosts waits until the fleet knows the hosts, which it looks for once a
// second.
func (p *proc) awaitHosts(n int) {
	p.t.Helper()
	waitFor(p.t, func() error {
		var hosts []json.RawMessage
		if err := p.get("/api/hosts", &hosts); err != nil {
			return err
		}
		if len(hosts) < n {
			return fmt.Errorf("%d of %d hosts are known", len(hosts), n)
		}
		return nil
	})
}

// restart measures starts after a clean stop and after kill -9.
func (t *table) restart(p *proc, f *benchFleet, now int64) {
	start := time.Now()
	p.start()
	t.add("restart with 100k series, clean", "rrdcached 5.5-7.1 s (first touch)", time.Since(start).Seconds(), "s", atMost(0.5))
	p.sendRounds(f, 10, now+10*benchStep)
	p.kill()
	start = time.Now()
	p.start()
	t.add("restart with 100k series, after kill -9", "", time.Since(start).Seconds(), "s", atMost(3))
	p.stop()
}

// history asks for a day of 1,000 series that send every ten seconds, and of
// 1,000 that send every minute, as the peers' did.
func (t *table) history(b *testing.B) {
	p := newProc(b, benchConfig)
	now := time.Now().Truncate(time.Minute)
	t.seed(p, now)
	p.start()
	ask := func(what, peer, query string, span time.Duration, step int, g goal) {
		b.Helper()
		v := url.Values{"query": {query}, "start": {fmt.Sprint(now.Add(-span).Unix())}, "end": {fmt.Sprint(now.Unix())}, "step": {fmt.Sprint(step)}}
		t.query(p, what, peer, "/api/v1/query_range?"+v.Encode(), g)
	}
	one := fmt.Sprintf(`percent_03{host=%q}`, hostName(7))
	const day = 24 * time.Hour
	ask("one series of 10 s, 1 hour at 10 s", "", one, time.Hour, 10, goal{})
	ask("one series of 10 s, 1 day at 10 s", "", one, day, 10, goal{})
	ask("one series of 1 m, 1 day at 5 m", "VictoriaMetrics 0.86, Prometheus 1.45 ms", "minute_"+one, day, 300, goal{})
	ask("avg by() over 1,000 series of 10 s, 1 hour at 10 s", "", `avg by (role) ({__name__!~"minute_.*", dc="eu"})`, time.Hour, 10, goal{})
	ask("avg by() over 1,000 series of 10 s, 1 day at 5 m", "", `avg by (role) ({__name__!~"minute_.*", dc="eu"})`, day, 300, goal{})
	ask("avg by() over 1,000 series of 1 m, 1 day at 5 m", "VictoriaMetrics 19.5, Prometheus 82 ms", `avg by (role) ({__name__=~"minute_.*"})`, day, 300, atMost(3))
	p.stop()
}

// seed writes a day into the store's own files. It does not go through the
// server, to which a day that comes within seconds is an import, which waits
// in memory; here the store's clock goes with the samples, and blocks fill up
// as they do in a real day.
func (t *table) seed(p *proc, now time.Time) {
	const hosts, metrics, rounds = 50, 20, 24 * 3600 / benchStep
	conf, err := loadConfig(filepath.Join(p.dir, "rondo.yml"))
	if err != nil {
		p.t.Fatal(err)
	}
	schemas, err := conf.RRD.Store.Build()
	if err != nil {
		p.t.Fatal(err)
	}
	dir := filepath.Join(p.dir, "data", "metrics")
	st, err := store.Open(dir, store.Options{Schemas: schemas, Every: 20 * time.Millisecond})
	if err != nil {
		p.t.Fatal(err)
	}
	tens := newBenchFleet(hosts, metrics, taggedName)
	minutes := newBenchFleet(hosts, metrics, func(host int, metric string) string { return "minute_" + taggedName(host, metric) })
	var text []byte
	for i := range rounds {
		at := now.Add(time.Duration(i+1-rounds) * benchStep * time.Second)
		text = tens.round(text[:0], at.Unix())
		if at.Second() == 0 {
			text = minutes.round(text, at.Unix())
		}
		samples, _ := graphite.AppendSamples(nil, string(text), at)
		if err := st.Write(p.t.Context(), samples); err != nil {
			p.t.Fatal(err)
		}
	}
	t.disk(p, st, hosts*metrics*rounds)
	if err := st.Close(); err != nil {
		p.t.Fatal(err)
	}
}

// disk says what a sample takes in the blocks of each archive.
func (t *table) disk(p *proc, st *store.Store, samples float64) {
	disk, err := st.Disk()
	if err != nil {
		p.t.Fatal(err)
	}
	for _, d := range disk {
		switch d.Name {
		case "10s-8640":
			t.add("disk per sample of 10 s", "VictoriaMetrics 1.55 B", float64(d.Bytes)/samples, "B", atMost(1.35))
		case "60s-20160":
			t.add("  its minutes for 14 days besides: sum, count, min, max, last", "", float64(d.Bytes)/samples, "B", goal{})
		}
	}
}
