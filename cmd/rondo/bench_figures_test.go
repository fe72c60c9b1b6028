package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"
)

// BenchmarkFigures measures the program as its users meet it: the real server
// in a process of its own, real sockets, the clock as it is. Each part adds
// lines to a table that is printed at the end, beside what the peers reached
// on a machine of two cores. CPU time is the server's alone; the generator's,
// which shares the machine, is in the rates.
//
//	make bench
//	go test -run '^$' -bench Figures/ingest -benchtime=1x ./cmd/rondo
func BenchmarkFigures(b *testing.B) {
	var t table
	before := machineTime(b)
	b.Run("idle", t.idle)
	b.Run("agent", t.agent)
	b.Run("ingest", t.ingest)
	b.Run("sizes", t.sizes)
	b.Run("history", t.history)
	b.Run("store", t.store)
	b.Run("rrdcached", t.rrdcached)
	b.Run("logs", t.logs)
	b.Run("servers", t.logServers)
	b.Run("relay", t.relay)
	b.Run("tail", t.tail)
	b.Run("datagrams", t.datagrams)
	b.Run("relp", t.relp)
	b.Run("redirect", t.redirect)
	b.Run("scaleout", t.scaleOut)
	b.Run("alerts", t.alerts)
	b.Run("chart", t.chart)
	b.Run("import", t.imports)
	t.print(os.Stdout, before.othersShare(b))
}

// A table collects what was measured.
type table struct{ rows []row }

type row struct {
	what, peer string
	value      float64
	unit       string
	goal       goal
	note       string
}

// A goal is what a figure shall reach; the zero goal is none.
type goal struct {
	limit float64
	kind  goalKind
}

type goalKind string

const (
	most  goalKind = "<="
	least goalKind = ">="
)

func atMost(v float64) goal  { return goal{v, most} }
func atLeast(v float64) goal { return goal{v, least} }

func (t *table) add(what, peer string, value float64, unit string, g goal) {
	t.rows = append(t.rows, row{what: what, peer: peer, value: value, unit: unit, goal: g})
}

// note says more about the newest line.
func (t *table) note(format string, args ...any) {
	t.rows[len(t.rows)-1].note = fmt.Sprintf(format, args...)
}

// verdict says whether a value reaches the goal, or by what factor it does not.
func (g goal) verdict(value float64) string {
	above := value / g.limit
	switch {
	case g.kind == "":
		return ""
	case value == g.limit || (value < g.limit) == (g.kind == most):
		return "reached"
	case g.limit == 0:
		return "missed"
	case g.kind == least:
		above = 1 / above
	}
	return fmt.Sprintf("missed, x %.2g", above)
}

func (g goal) text(unit string) string {
	if g.kind == "" {
		return ""
	}
	return string(g.kind) + " " + quantity(g.limit, unit)
}

// quantity writes three digits, as a table wants them.
func quantity(v float64, unit string) string {
	prefix := ""
	switch {
	case v >= 1e6:
		v, prefix = v/1e6, "M"
	case v >= 1e4:
		v, prefix = v/1e3, "k"
	}
	s := strconv.FormatFloat(v, 'f', max(0, 3-len(strconv.Itoa(int(v)))), 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return strings.TrimSpace(s + " " + prefix + unit)
}

func (t *table) print(to io.Writer, others float64) {
	load, _ := os.ReadFile("/proc/loadavg")
	fmt.Fprintf(to, "\n%d cores, %s, load average %.14s; other programs took %.0f %% of the machine meanwhile\n\n",
		runtime.NumCPU(), runtime.Version(), load, 100*others)
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "what\tpeers\trondo\tgoal\t\t")
	for _, r := range t.rows {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", r.what, r.peer, quantity(r.value, r.unit), r.goal.text(r.unit), r.goal.verdict(r.value), r.note)
	}
	w.Flush()
}

// A machineUse is how long the cores have computed, for all and for us.
type machineUse struct {
	at        time.Time
	all, ours time.Duration
}

const userHZ = 100

func machineTime(tb testing.TB) machineUse {
	tb.Helper()
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		tb.Fatal(err)
	}
	m := machineUse{at: time.Now()}
	first, _, _ := strings.Cut(string(text), "\n")
	for i, f := range strings.Fields(first)[1:8] {
		if i == 3 || i == 4 { // idle, iowait
			continue
		}
		n, _ := strconv.Atoi(f)
		m.all += time.Duration(n) * time.Second / userHZ
	}
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var r syscall.Rusage
		if err := syscall.Getrusage(who, &r); err != nil {
			tb.Fatal(err)
		}
		m.ours += time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	return m
}

// othersShare is the share of the machine that other programs have taken
// since: with much of it, times are longer than they need to be.
func (m machineUse) othersShare(tb testing.TB) float64 {
	now := machineTime(tb)
	others := (now.all - m.all) - (now.ours - m.ours)
	return max(0, others.Seconds()/now.at.Sub(m.at).Seconds()/float64(runtime.NumCPU()))
}

// quantile is the value that a share q of all does not exceed.
func quantile(all []time.Duration, q float64) time.Duration {
	slices.Sort(all)
	return all[min(int(q*float64(len(all))), len(all)-1)]
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// query measures an HTTP request, warm, and adds its median. The note has the
// 99th percentile and what it costs the server, which other programs on the
// machine change less.
func (t *table) query(p *proc, what, peer, path string, g goal) {
	p.t.Helper()
	const warm, few, many, budget = 3, 30, 300, 3 * time.Second
	var all []time.Duration
	var cpu time.Duration
	began := time.Now()
	for n := 0; n < warm+few || n < warm+many && time.Since(began) < budget; n++ {
		if n == warm {
			cpu = p.cpu()
		}
		start := time.Now()
		if err := p.get(path, nil); err != nil {
			p.t.Fatal(err)
		}
		if n >= warm {
			all = append(all, time.Since(start))
		}
	}
	cpu = (p.cpu() - cpu) / time.Duration(len(all))
	t.add(what, peer, milliseconds(quantile(all, 0.5)), "ms", g)
	t.note("p99 %s, CPU %s", quantity(milliseconds(quantile(all, 0.99)), "ms"), quantity(milliseconds(cpu), "ms"))
}

// memory reads a line of /proc/PID/status, such as VmRSS, in bytes.
func (p *proc) memory(line string) float64 {
	p.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^` + line + `:\s+(\d+) kB`).FindSubmatch(text)
	if m == nil {
		p.t.Fatalf("no %s in status", line)
	}
	n, _ := strconv.Atoi(string(m[1]))
	return float64(n) * 1024
}

// counter reads one of the server's own counters.
func (p *proc) counter(name string) (n float64) {
	p.t.Helper()
	resp, err := http.Get(p.url("/metrics"))
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	if m := regexp.MustCompile(`(?m)^` + name + ` (\S+)$`).FindSubmatch(text); m != nil {
		n, _ = strconv.ParseFloat(string(m[1]), 64)
	}
	return n
}

// stopUsage stops the server in order and returns what it has used in all.
func (p *proc) stopUsage() *syscall.Rusage {
	p.t.Helper()
	cmd := p.cmd
	p.stop()
	return cmd.ProcessState.SysUsage().(*syscall.Rusage)
}

func rusageTime(r *syscall.Rusage) time.Duration {
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// idle is a server that monitors its own host and hears nothing else.
func (t *table) idle(b *testing.B) {
	p := newProc(b, benchConfig+"  - {kind: host}\n")
	p.start()
	time.Sleep(5 * time.Second)
	t.add("memory of an idle server, RSS", "Prometheus 68 MB", p.memory("VmRSS")/1e6, "MB", atMost(40))
	t.note("%s anonymous", quantity(p.memory("RssAnon")/1e6, "MB"))
	p.stop()
}

// chart runs a benchmark that lives beside its code.
func (t *table) chart(b *testing.B) {
	out, err := exec.Command("go", "test", "-run=^$", "-bench=^BenchmarkYear$", "../../web/chart").Output()
	m := regexp.MustCompile(`BenchmarkYear\S*\s+\d+\s+(\d+) ns/op`).FindSubmatch(out)
	if err != nil || m == nil {
		b.Fatalf("go test: %v\n%s", err, out)
	}
	ns, _ := strconv.Atoi(string(m[1]))
	t.add("graph of a year as SVG", "rrdtool 8.0 ms", float64(ns)/1e6, "ms", atMost(2))
}
