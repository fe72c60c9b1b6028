package store

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// TestIDTable: an idTable finds what a map does.
func TestIDTable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table, want := newIDTable(), map[string]uint32{}
		var keep texts
		var all []string
		text := func(n uint32) string { return all[n] }
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			name := fmt.Sprint("series", rapid.IntRange(0, 40).Draw(t, "name"))
			got, found := table.find(name, text)
			if n, known := want[name]; found != known || found && got != n {
				t.Fatalf("%s: %d, %v, want %d, %v", name, got, found, n, known)
			}
			if found {
				table.remove(name, text)
				delete(want, name)
				continue
			}
			want[name] = uint32(len(all))
			all = append(all, keep.keep(name))
			table.add(name, want[name], text)
		}
		for name, n := range want {
			if got, found := table.find(name, text); !found || got != n {
				t.Fatalf("%s: %d, %v, want %d", name, got, found, n)
			}
		}
	})
}
