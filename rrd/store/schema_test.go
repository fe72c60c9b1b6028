package store

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"rondo/rrd"
)

func TestGlob(t *testing.T) {
	f := func(pattern, s string, want bool) {
		t.Helper()
		if got := glob(pattern, s); got != want {
			t.Errorf("glob(%q, %q) = %v", pattern, s, got)
		}
	}
	f("", "", true)
	f("", "x", false)
	f("*", "", true)
	f("*", "a.b.c", true)
	f("a.*.c", "a.b.c", true)
	f("a.*.c", "a.b.c.d.c", true)
	f("a.*.c", "a.b.d", false)
	f("?", "x", true)
	f("?", "", false)
	f("*a*b", "xaxbxab", true)
	f("*a*b", "xaxbxa", false)
	f("a**", "a", true)
	f("cpu_?", "cpu_10", false)
	f(strings.Repeat("a*", 30)+"b", strings.Repeat("a", 2000), false) // quick
}

func TestConfig(t *testing.T) {
	max, half := 100.0, 0.5
	c := DefaultConfig()
	c.Schemas = []SchemaConfig{
		{Name: "power", Match: "power.*", Labels: map[string]string{"site": "b*"}, Type: rrd.Gauge, Max: &max, XFF: &half, Archives: []string{"1m for 1w", "1h for 1y"}},
		{Name: "rest"},
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	schemas, err := c.Build()
	if err != nil {
		t.Fatal(err)
	}
	nan := math.NaN()
	power := rrd.Definition{
		Type: rrd.Gauge, Step: time.Minute, Heartbeat: 12 * time.Minute, Min: nan, Max: 100,
		Archives: []rrd.Archive{{Steps: 1, Rows: 10080, XFF: 0.5}, {Steps: 60, Rows: 8760, XFF: 0.5}},
	}
	rest := rrd.DefaultDefinition()
	rest.Type = rrd.Counter
	key := func(name string, labels ...rrd.Label) rrd.Key {
		k, err := rrd.NewKey(name, labels...)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	berlin := rrd.Label{Name: "site", Value: "berlin"}
	for k, want := range map[rrd.Key]rrd.Definition{
		key("power.ups", berlin): power, key("power.ups"): rest, key("cpu", berlin): rest,
	} {
		if d := cmp.Diff(want, define(schemas, k, rrd.Counter), cmpopts.EquateNaNs()); d != "" {
			t.Errorf("%s (-want +got):\n%s", k, d)
		}
	}
	if d := define(nil, "x", rrd.Unset); d.Type != rrd.Gauge {
		t.Errorf("type %s without any hint", d.Type)
	}
}

func TestConfigMistakes(t *testing.T) {
	f := func(want string, change func(*SchemaConfig)) {
		t.Helper()
		c := DefaultConfig()
		c.Schemas = []SchemaConfig{{Name: "s", Archives: []string{"10s for 1d", "1m for 14d"}}}
		change(&c.Schemas[0])
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), `schemas[0] "s"`) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	archives := func(as ...string) func(*SchemaConfig) { return func(c *SchemaConfig) { c.Archives = as } }
	f(`archives[0] "10s": want for example`, archives("10s"))
	f(`archives[0] "10 for 1d"`, archives("10 for 1d"))
	f(`archives[0] "0s for 1d"`, archives("0s for 1d"))
	f(`archives[0] "10x for 1d"`, archives("10x for 1d"))
	f(`archives[0] "1s for 101y"`, archives("1s for 101y"))
	f("15s is not a multiple of the step 10s", archives("10s for 1d", "15s for 2d"))
	f("1d is not a multiple of 7s", archives("7s for 1d"))
	f("1s is not a multiple of 300ms", archives("300ms for 1s"))
	f(`archives[0] "10s x 0": want for example`, archives("10s x 0"))
	f(`archives[0] "10s x 1d": want for example`, archives("10s x 1d"))
	f(`archives[0] "10s for rows": want for example`, archives("10s for rows"))
	f(`archives[0] "10us for 1s": want for example`, archives("10us for 1s"))
	f("rows must be longer", archives("10s for 1d", "10s for 2d"))
	f("rows: want 1 to", archives("1s for 10y"))
	f("heartbeat 5s is shorter", func(c *SchemaConfig) { c.Heartbeat = 5 * time.Second })
	f("xff 1: want", func(c *SchemaConfig) { one := 1.0; c.XFF = &one })
	f("type dcounter: only", func(c *SchemaConfig) { c.Type = rrd.DCounter })
	f("min 2 is above max 1", func(c *SchemaConfig) { one, two := 1.0, 2.0; c.Min, c.Max = &two, &one })
}

func TestParseArchives(t *testing.T) {
	f := func(step time.Duration, steps, rows int, texts ...string) {
		t.Helper()
		got, as, err := ParseArchives(texts, 0.5)
		if err != nil {
			t.Fatal(err)
		}
		if last := as[len(as)-1]; got != step || last.Steps != steps || last.Rows != rows {
			t.Errorf("%q: step %s, %d steps, %d rows", texts, got, last.Steps, last.Rows)
		}
	}
	f(10*time.Second, 1, 8640, "10s for 1d")
	f(10*time.Second, 1, 8640, "10s x 8640")
	f(10*time.Second, 1, 8640, "10s for 8640 rows")
	f(500*time.Millisecond, 1, 7200, "500ms for 1h")
	f(time.Millisecond, 60_000, 10, "1ms for 1s", "1m for 10m")
}

func TestSpan(t *testing.T) {
	for text, want := range map[string]string{"90m": "90m", "120m": "2h", "500ms": "500ms", "1000ms": "1s", "14d": "2w", "730d": "2y"} {
		d, err := ParseSpan(text)
		if got := FormatSpan(d); got != want || err != nil {
			t.Errorf("%s is written %s, %v", text, got, err)
		}
		if back, err := ParseSpan(FormatSpan(d)); back != d || err != nil {
			t.Errorf("%s read back: %s, %v", text, back, err)
		}
	}
}

func TestDefinitionRoundTrip(t *testing.T) {
	d := rrd.DefaultDefinition()
	d.Min = -5
	d.Archives[1].CFs = []rrd.CF{rrd.Average, rrd.Max}
	r := reader{b: appendDefinition(nil, &d)}
	got, err := readDefinition(&r)
	if diff := cmp.Diff(d, got, cmpopts.EquateNaNs()); diff != "" || err != nil || len(r.b) != 0 {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// TestPlaces: every row has one place, in order, in blocks that end where the
// ring says they do.
func TestPlaces(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		row := time.Duration(rapid.SampledFrom([]int{1, 20, 500, 1000, 10_000, 60_000, 7_200_000}).Draw(t, "row")) * time.Millisecond
		r := newRing("d", row, rapid.IntRange(1, 100_000).Draw(t, "rows"))
		page := rapid.Uint32Range(0, 1<<26).Draw(t, "page")
		end := rrd.Time(rapid.Int64Range(1, int64(4_000_000_000*rrd.Second/r.row)).Draw(t, "n")) * r.row
		block, index := r.place(page, end)
		if got := r.rowEnd(page, block, index); got != end {
			t.Fatalf("place of %d leads back to %d", end, got)
		}
		if end > r.epochEnd(r.epoch(block)) || int64(index) >= r.blockRows {
			t.Fatalf("row outside of its epoch or block")
		}
		if after := r.blockAfter(page, end); r.rowEnd(page, after, 0) > end+r.row || r.rowEnd(page, after, int(r.blockRows)-1) <= end {
			t.Fatalf("block %d is not the first that does not end by %d", after, end)
		}
	})
}
