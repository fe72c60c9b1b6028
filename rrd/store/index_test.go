package store

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"rondo/rrd"
)

// TestIndex compares the index with a look at every series, while series are
// added between the questions.
func TestIndex(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x, cache := newIndex(), &regexps{}
		var names []string
		all := func() (ids []uint32) {
			for id := range names {
				ids = append(ids, uint32(id))
			}
			return ids
		}
		texts := []string{"", "a", "ab", `a.*`, `ab.+`, `b[ab]*`, `a|b.*`, `(?i:A).*`, `.*b`, `b{0,2}`, "z.*"}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			for _, name := range rapid.SliceOfN(rapid.StringMatching(`[ab]{1,5}`), 0, 3).Draw(t, "names") {
				if slices.Contains(names, name) {
					continue
				}
				x.add(uint32(len(names)), rrd.Key(name))
				names = append(names, name)
			}
			cs, err := cache.conditions([]rrd.Matcher{{
				Label: rrd.NameLabel,
				Op:    rapid.SampledFrom([]rrd.MatchOp{rrd.Equal, rrd.NotEqual, rrd.Regexp, rrd.NotRegexp}).Draw(t, "op"),
				Value: rapid.SampledFrom(texts).Draw(t, "value"),
			}})
			if err != nil {
				t.Fatal(err)
			}
			var want []uint32
			for id, name := range names {
				if cs[0].matches(name) {
					want = append(want, uint32(id))
				}
			}
			if got := x.find(cs, all); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Fatalf("%v %q of %q: found %v, not %v", cs[0].Op, cs[0].Value, names, got, want)
			}
			if got, want := x.labels[rrd.NameLabel].all(), slices.Sorted(slices.Values(names)); !slices.Equal(got, want) {
				t.Fatalf("values %q, not %q", got, want)
			}
		}
	})
}
