package store

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"rondo/rrd"
)

// TestIndex compares the index with a look at every series, while series are
// added and removed between the questions.
func TestIndex(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x, cache := newIndex(), &regexps{}
		var names []string
		all := func() (ids []uint32) {
			for id, name := range names {
				if name != "" {
					ids = append(ids, uint32(id))
				}
			}
			return ids
		}
		// All series share one value, and about half of them another.
		key := func(name string) rrd.Key { return rrd.Key(name + "\xffhost\xffh\xffshort\xff" + name[:1]) }
		texts := []string{"", "a", "ab", `a.*`, `ab.+`, `b[ab]*`, `a|b.*`, `(?i:A).*`, `.*b`, `b{0,2}`, "z.*"}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			for _, name := range rapid.SliceOfN(rapid.StringMatching(`[ab]{1,5}`), 0, 3).Draw(t, "names") {
				if slices.Contains(names, name) {
					continue
				}
				x.add(uint32(len(names)), key(name))
				names = append(names, name)
			}
			if gone := rapid.IntRange(-10, 10).Draw(t, "gone"); gone >= 0 && gone < len(names) && names[gone] != "" {
				x.remove(uint32(gone), key(names[gone]))
				names[gone] = ""
				if again := rapid.StringMatching(`[ab]{1,5}`).Draw(t, "again"); !slices.Contains(names, again) {
					x.add(uint32(gone), key(again))
					names[gone] = again
				}
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
				if name != "" && cs[0].matches(name) {
					want = append(want, uint32(id))
				}
			}
			if got := x.find(cs, all); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Fatalf("%v %q of %q: found %v, not %v", cs[0].Op, cs[0].Value, names, got, want)
			}
			checkIDs(t, x, names)
			if got, want := x.labels[rrd.NameLabel].all(), slices.Sorted(slices.Values(present(names))); !slices.Equal(got, want) {
				t.Fatalf("values %q, not %q", got, want)
			}
		}
	})
}

// present returns the names of series that are not removed.
func present(names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name == "" })
}

// checkIDs asks for the values that series share.
func checkIDs(t *rapid.T, x *index, names []string) {
	t.Helper()
	for _, c := range []struct{ label, value string }{{"host", "h"}, {"short", "a"}, {"short", "b"}} {
		var want []uint32
		for id, name := range names {
			if name != "" && (c.label == "host" || name[:1] == c.value) {
				want = append(want, uint32(id))
			}
		}
		is := condition{Matcher: rrd.Matcher{Label: c.label, Value: c.value}}
		if got := x.union(&is, true); !slices.Equal(got, want) {
			t.Fatalf("%s=%s of %q: found %v, not %v", c.label, c.value, names, got, want)
		}
	}
}
