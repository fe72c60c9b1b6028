package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"rondo/rrd"
	"rondo/syslogd/canary"
)

// selfEvery is how often rondo's own figures go into its own store.
const selfEvery = 10 * time.Second

// self keeps rondo's figures of itself: as text at /metrics, and as the
// series rondo.<room>.<name> in the store.
type self struct {
	s   *server
	set *metrics.Set
}

func newSelf(s *server) *self {
	me := &self{s: s, set: metrics.NewSet()}
	me.set.RegisterMetricsWriter(func(w io.Writer) {
		for _, f := range me.figures() {
			name, labels := "rondo_"+strings.NewReplacer(".", "_", "-", "_").Replace(f.name), ""
			if f.label.Value != "" {
				labels = fmt.Sprintf("{%s=%q}", f.label.Name, f.label.Value)
			}
			if f.counter {
				metrics.WriteCounterFloat64(w, name+"_total"+labels, f.value)
				continue
			}
			metrics.WriteGaugeFloat64(w, name+labels, f.value)
		}
		me.writeOffenders(w)
	})
	return me
}

// writeOffenders names the senders of whom most was refused. They are no
// series of the store: there they would stay for years.
func (me *self) writeOffenders(w io.Writer) {
	p := me.s.parts.Load()
	if p == nil {
		return
	}
	for _, o := range p.syslog.Offenders() {
		sender := "others"
		if o.Sender.IsValid() {
			sender = o.Sender.String()
		}
		metrics.WriteCounterUint64(w, fmt.Sprintf("rondo_syslogd_refused_by_sender_total{sender=%q}", sender), o.Refused)
	}
}

// serve answers GET /metrics in Prometheus' text format.
func (me *self) serve(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4")
	me.set.WritePrometheus(w)
	metrics.WriteProcessMetrics(w)
}

// A figure is one number about rondo itself.
type figure struct {
	name    string // room.what
	value   float64
	counter bool
	label   rrd.Label // of which listener or destination; empty for none
}

// key is what the figure is called in the store.
func (f figure) key() (rrd.Key, error) {
	if f.label.Value == "" {
		return rrd.NewKey("rondo." + f.name)
	}
	return rrd.NewKey("rondo."+f.name, f.label)
}

// figures are all numbers there are now, by name.
func (me *self) figures() []figure {
	var out []figure
	for room, counts := range me.counters() {
		for what, n := range counts {
			out = append(out, figure{name: room + "." + what, value: float64(n), counter: true})
		}
	}
	for name, v := range me.gauges() {
		out = append(out, figure{name: name, value: v})
	}
	for listener, counts := range me.s.canary.Snapshot() {
		out = appendCanary(out, listener, counts)
	}
	for _, r := range me.s.dispatcher.Receivers() {
		receiver := rrd.Label{Name: "receiver", Value: r.Name}
		for what, n := range r.Counts {
			out = append(out, figure{"notify." + what, float64(n), true, receiver})
		}
		out = append(out, figure{"notify.queued", float64(r.Queued), false, receiver})
	}
	for source, n := range me.s.events.Taken() {
		out = append(out, figure{"events.taken", float64(n), true, rrd.Label{Name: "source", Value: source}})
	}
	if me.s.parts.Load() != nil {
		out = me.s.routes().appendFigures(out, time.Now())
	}
	slices.SortFunc(out, func(a, b figure) int {
		return cmp.Or(strings.Compare(a.name, b.name), strings.Compare(a.label.Value, b.label.Value))
	})
	return out
}

// appendCanary appends what became of the sentinels of a listener.
func appendCanary(out []figure, name string, c canary.Counts) []figure {
	listener := rrd.Label{Name: "listener", Value: name}
	for what, n := range map[string]uint64{
		"sent": c.Sent, "arrived": c.Arrived, "lost": c.Lost, "late": c.Late,
		"duplicates": c.Duplicates, "reordered": c.Reordered, "failed": c.Failed,
	} {
		out = append(out, figure{"canary." + what, float64(n), true, listener})
	}
	closed := 0.0
	if c.Closed != "" {
		closed = 1
	}
	return append(out, figure{"canary.closed", closed, false, listener},
		figure{"canary.delay_seconds", c.Delay.Seconds(), false, listener})
}

// canaryWords say how the listeners stand, for the pages; "" without any.
func canaryWords(all map[string]canary.Counts) string {
	var lost, sent uint64
	var slowest time.Duration
	ways := 0
	for _, c := range all {
		if c.Closed != "" {
			continue
		}
		ways++
		lost, sent, slowest = lost+c.Lost+c.Failed, sent+c.Sent, max(slowest, c.Delay)
	}
	if ways == 0 {
		return ""
	}
	return fmt.Sprintf("canary: %d listeners, %d of %d sentinels lost, on disk in %v", ways, lost, sent, slowest.Round(100*time.Microsecond))
}

// counters are what each room counts, refusals and losses by reason among it.
func (me *self) counters() map[string]map[string]uint64 {
	rooms := map[string]map[string]uint64{
		"rrd":    me.store(),
		"alerts": me.s.engine.Stats().Snapshot(),
		"notify": me.s.dispatcher.Stats().Snapshot(),
		"checks": me.s.checks.Snapshot(),
		"fleet":  me.s.fleet.Snapshot(),
		"join":   me.s.join.Snapshot(),
		"agents": me.s.agents.Snapshot(),
		"logs":   me.logs(),
		"backup": me.s.backups.counters(),
		"loki":   me.s.loki.Snapshot(),
		"events": me.s.events.Snapshot(),
	}
	if me.s.pinger != nil {
		rooms["deadman"] = me.s.pinger.Stats().Snapshot()
	}
	if p := me.s.parts.Load(); p != nil {
		rooms["syslogd"] = p.syslog.Snapshot()
		maps.DeleteFunc(rooms["syslogd"], func(what string, _ uint64) bool { return strings.HasPrefix(what, "route_") }) // they have labels
		for kind, st := range p.stats {
			rooms["collectors."+kind] = st.Snapshot()
		}
		if p.controller != nil {
			rooms["autoscale"] = p.controller.Stats()
			maps.Copy(rooms, p.house.counters())
			if p.ssm != nil {
				rooms[p.ssm.Room()] = p.ssm.Stats()
			}
			rooms["roster"] = me.s.rosterFigures(p)
		}
	}
	return rooms
}

func (me *self) store() map[string]uint64 {
	st := me.s.stores.metrics.Stats()
	m := map[string]uint64{
		"samples":       uint64(st.Samples.Load()),
		"repeated":      uint64(st.Repeated.Load()),
		"overwritten":   uint64(st.Overwritten.Load()),
		"corrected":     uint64(st.Corrected.Load()),
		"replayed":      uint64(st.Replayed.Load()),
		"settled_early": uint64(st.SettledEarly.Load()),
		"blocks":        uint64(st.Blocks.Load()),
		"block_bytes":   uint64(st.BlockBytes.Load()),
		"checkpoints":   uint64(st.Checkpoints.Load()),
		"expired":       uint64(st.Expired.Load()),
		"damaged":       uint64(st.Damaged.Load()),
		"changed":       uint64(st.Changed.Load()),
	}
	st.Refused(func(r rrd.Refusal, n int64) { m["refused_"+string(r)] = uint64(n) })
	return m
}

func (me *self) logs() map[string]uint64 {
	st := me.s.stores.logs.Stats()
	return map[string]uint64{
		"quarantined": uint64(st.Quarantined),
		"unreadable":  uint64(st.Unreadable),
		"dropped":     uint64(st.Dropped),
		"tail_lost":   uint64(st.TailLost),
	}
}

func (me *self) gauges() map[string]float64 {
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	logs := me.s.stores.logs.Stats()
	g := map[string]float64{
		"state.set_aside":    float64(len(me.s.stores.badStates)),
		"logs.messages":      float64(logs.Messages),
		"logs.raw_bytes":     float64(logs.RawBytes),
		"logs.disk_bytes":    float64(logs.DiskBytes),
		"logs.backlog":       float64(logs.Backlog),
		"logs.marks":         float64(logs.Marks),
		"events.kept":        float64(me.s.events.Len()),
		"rrd.series":         float64(me.s.stores.metrics.Series()),
		"process.heap_bytes": float64(mem.HeapAlloc),
		"process.gc_cpu":     mem.GCCPUFraction,
		"process.goroutines": float64(runtime.NumGoroutine()),
		"process.uptime":     time.Since(me.s.started).Seconds(),
	}
	me.s.backups.gauges(g, me.s.started)
	if p, ok := me.s.stores.metrics.Changing(); ok {
		g["rrd.change_total"], g["rrd.change_done"] = float64(p.Total), float64(p.Done)
		g["rrd.change_bytes"] = float64(p.Bytes)
	}
	if p := me.s.parts.Load(); p != nil {
		g["syslogd.spool_bytes"] = float64(me.s.stores.spool.Bytes())
		for what, v := range p.syslog.Gauges() {
			g["syslogd."+what] = v
		}
	}
	return g
}

// run writes the figures into the store until ctx ends.
func (me *self) run(ctx context.Context) error {
	tick := selfEvery
	if me.s.conf.Autoscale.Groups.Tick < tick {
		tick = me.s.conf.Autoscale.Groups.Tick
	}
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-ticker.C:
			if os.Getenv("GOGC") == "" {
				paceGC()
			}
			if err := me.record(ctx, now); err != nil && ctx.Err() == nil {
				me.s.log.Warn("own figures could not be stored", "err", err)
			}
		}
	}
}

// record writes the figures of one instant, and the capacity of each group.
func (me *self) record(ctx context.Context, now time.Time) error {
	var batch []rrd.Sample
	for _, f := range me.figures() {
		t := rrd.Gauge
		if f.counter {
			t = rrd.Counter
		}
		if k, err := f.key(); err == nil { // names of listeners are plain
			batch = append(batch, rrd.Sample{Key: k, Time: rrd.At(now), Value: f.value, Type: t})
		}
	}
	if p := me.s.parts.Load(); p != nil && p.controller != nil {
		batch = p.house.appendSamples(p.controller.AppendSamples(batch, now), now)
	}
	err := me.s.stores.metrics.Append(ctx, batch)
	if _, refused := errors.AsType[*rrd.BatchError](err); refused {
		return nil // counted by the store
	}
	return err
}
