package fleet

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"rondo/alerts/state"
	"rondo/rrd"
	"rondo/rrd/rrdtest"
)

// A world is a store and the fleet that lives in it.
type world struct {
	*rrdtest.Mem
	fleet *Fleet
	now   time.Time
}

func newWorld(t testing.TB, templates ...string) *world {
	t.Helper()
	return &world{rrdtest.NewMem(rrdtest.Options{}), newFleet(t, state.NewMemory(), Options{Templates: templates}), time.Now()}
}

func (w *world) put(t testing.TB, name string, labels ...string) rrd.Key {
	t.Helper()
	var ls []rrd.Label
	for i := 0; i < len(labels); i += 2 {
		ls = append(ls, rrd.Label{Name: labels[i], Value: labels[i+1]})
	}
	k, err := rrd.NewKey(name, ls...)
	if err == nil {
		err = w.Append(t.Context(), []rrd.Sample{{Key: k, Time: rrd.At(w.now), Value: 1}})
	}
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (w *world) series() Series { return Series{w.Mem, w.Mem, w.fleet} }

func (w *world) find(t testing.TB, ms ...rrd.Matcher) []string {
	t.Helper()
	keys, err := w.series().Find(t.Context(), ms, 0)
	if err != nil {
		return []string{err.Error()}
	}
	out := []string{}
	for _, k := range keys {
		out = append(out, k.String())
	}
	slices.Sort(out)
	return out
}

func TestSelectByGroup(t *testing.T) {
	w := newWorld(t, "fleet.<group>.<host>.*", "servers.<host>.*")
	w.put(t, "run_queue", "host", "web-1", "group", "web")
	w.put(t, "run_queue", "host", "web-2", "group", "web-eu")
	w.put(t, "run_queue", "host", "db-1", "group", "db")
	w.now = w.now.Add(-time.Second)
	w.put(t, "log_messages", "host", "web-1", "severity", "err")
	w.put(t, "log_messages", "host", "db-1", "severity", "err")
	w.put(t, "log_messages", "host", "stranger", "severity", "err")
	w.put(t, "fleet.web.web-3.run_queue")
	w.put(t, "fleet.db.db-2.run_queue")
	w.put(t, "servers.web-4.run_queue")
	w.put(t, "sum_of_all")
	w.fleet.Report("web-4", "web", "", Agent{Seen: w.now})
	w.fleet.poll(w.Mem, 0, w.now)

	f := func(op rrd.MatchOp, label, value string, rest []rrd.Matcher, want ...string) {
		t.Helper()
		got := w.find(t, append(rest, rrd.Matcher{Label: label, Op: op, Value: value})...)
		slices.Sort(want)
		if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
			t.Errorf("%s %s (-want +got):\n%s", label, value, d)
		}
	}
	f(rrd.Equal, GroupLabel, "web", nil,
		`{"fleet.web.web-3.run_queue"}`, `log_messages{host="web-1",severity="err"}`, `run_queue{group="web",host="web-1"}`, `{"servers.web-4.run_queue"}`)
	f(rrd.Regexp, GroupLabel, "web|web-eu", []rrd.Matcher{{Label: rrd.NameLabel, Value: "run_queue"}},
		`run_queue{group="web",host="web-1"}`, `run_queue{group="web-eu",host="web-2"}`)
	f(rrd.Regexp, GroupLabel, "d.", nil,
		`{"fleet.db.db-2.run_queue"}`, `log_messages{host="db-1",severity="err"}`, `run_queue{group="db",host="db-1"}`)
	f(rrd.Equal, HostLabel, "web-1", nil, `log_messages{host="web-1",severity="err"}`, `run_queue{group="web",host="web-1"}`)
	f(rrd.Equal, HostLabel, "web-3", nil, `{"fleet.web.web-3.run_queue"}`)
	f(rrd.Equal, HostLabel, "web-4", nil, `{"servers.web-4.run_queue"}`)
	f(rrd.Equal, HostLabel, "web-1", []rrd.Matcher{{Label: GroupLabel, Value: "db"}})
	f(rrd.Equal, HostLabel, "web-1", []rrd.Matcher{{Label: GroupLabel, Value: "web"}},
		`log_messages{host="web-1",severity="err"}`, `run_queue{group="web",host="web-1"}`)
	f(rrd.Equal, GroupLabel, "nobody", nil)
	f(rrd.NotEqual, GroupLabel, "web", nil, "fleet: __group__: want = or =~")
	f(rrd.Equal, GroupLabel, "", nil, "fleet: __group__: want a name, or an expression that is none without one")
	f(rrd.Regexp, GroupLabel, ".*", nil, "fleet: __group__: want a name, or an expression that is none without one")
	f(rrd.Regexp, GroupLabel, "(", nil, "fleet: __group__: error parsing regexp: missing closing ): `^(?s:()$`")

	// A host that was withdrawn is part of the group's past.
	w.fleet.Withdraw("web-1", "test")
	f(rrd.Equal, GroupLabel, "web", []rrd.Matcher{{Label: "host", Value: "web-1"}},
		`log_messages{host="web-1",severity="err"}`, `run_queue{group="web",host="web-1"}`)
}

// However series name their hosts, those of a group are found, all and once.
func TestSelectFindsWhatIdentifySays(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t, rapid.SampledFrom([][]string{
			{"fleet.<group>.<host>.*"}, {"servers.<host>.*"}, {"a.<host>.*", "fleet.<group>.<host>.*"}, {"*.<group>.*.<host>.*", "fleet.*.<host>.*"},
		}).Draw(rt, "templates")...)
		part := rapid.SampledFrom([]string{"web", "db", "web-1", "a", "fleet", "x"})
		var all []rrd.Key
		for range rapid.IntRange(1, 12).Draw(rt, "series") {
			switch rapid.IntRange(0, 3).Draw(rt, "shape") {
			case 0:
				all = append(all, w.put(t, "m", "host", part.Draw(rt, "host"), "group", part.Draw(rt, "group")))
			case 1:
				all = append(all, w.put(t, "m", "host", part.Draw(rt, "host")))
			case 2:
				all = append(all, w.put(t, fmt.Sprintf("fleet.%s.%s.m", part.Draw(rt, "group"), part.Draw(rt, "host"))))
			case 3:
				all = append(all, w.put(t, fmt.Sprintf("%s.%s.%s.%s.m", part.Draw(rt, "a"), part.Draw(rt, "b"), part.Draw(rt, "c"), part.Draw(rt, "d"))))
			}
		}
		w.fleet.poll(w.Mem, 0, w.now)
		group := part.Draw(rt, "wanted")
		want := []string{}
		slices.Sort(all)
		for _, k := range slices.Compact(all) {
			id, _ := w.fleet.Identify(k)
			if id.Group == "" {
				h, _ := w.fleet.Host(id.Host)
				id.Group = h.Group
			}
			if id.Host != "" && id.Group == group {
				want = append(want, k.String())
			}
		}
		slices.Sort(want)
		got := w.find(t, rrd.Matcher{Label: GroupLabel, Value: group})
		if d := cmp.Diff(want, got); d != "" {
			rt.Errorf("of %s (-want +got):\n%s", group, d)
		}
		var read []string
		for s, err := range w.series().Select(t.Context(), rrd.Query{Matchers: []rrd.Matcher{{Label: GroupLabel, Value: group}}, End: rrd.At(w.now.Add(time.Minute))}) {
			if err != nil {
				rt.Fatal(err)
			}
			read = append(read, s.Key.String())
		}
		slices.Sort(read)
		if len(read) != len(want) || len(slices.Compact(slices.Clone(read))) != len(read) {
			rt.Errorf("read %q, want %q", read, want)
		}
	})
}
