package redirect

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// tables are random tables, with full, stale and closed servers among them.
func tables(t *rapid.T) Table {
	table := Table{Cost: rapid.Float64Range(0, 0.2).Draw(t, "cost")}
	for range rapid.IntRange(0, 12).Draw(t, "servers") {
		table.Servers = append(table.Servers, Server{
			Open:   rapid.IntRange(0, 3).Draw(t, "open") > 0,
			Weight: rapid.OneOf(rapid.Just(0.0), rapid.Float64Range(0, 8)).Draw(t, "weight"),
			Sent:   float64(rapid.IntRange(0, 50).Draw(t, "sent")),
		})
	}
	return table
}

// TestPickFollowsCapacity: over evenly spread random numbers each server is
// picked as often as its share of what is left says; evenly when all are full.
func TestPickFollowsCapacity(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const draws = 4000
		table := tables(t)
		sum, open := 0.0, 0
		for i, s := range table.Servers {
			sum += table.Left(i)
			if s.Open {
				open++
			}
		}
		got := make([]float64, len(table.Servers))
		for n := range draws {
			k := table.Pick((float64(n) + 0.5) / draws)
			if k < 0 {
				if open > 0 {
					t.Fatalf("nobody, and %d are open", open)
				}
				continue
			}
			got[k] += 1.0 / draws
		}
		for i, s := range table.Servers {
			want := 0.0
			switch {
			case !s.Open:
			case sum > 0:
				want = table.Left(i) / sum
			default:
				want = 1 / float64(open)
			}
			if math.Abs(got[i]-want) > 2.0/draws {
				t.Fatalf("server %d of %+v: picked %.4f of the time, want %.4f", i, table, got[i], want)
			}
		}
	})
}

// TestPickNeverClosed: whatever the random number, no closed server is picked.
func TestPickNeverClosed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table := tables(t)
		u := rapid.OneOf(rapid.Float64Range(0, math.Nextafter(1, 0)), rapid.Just(math.Nextafter(1, 0)), rapid.Just(0.0)).Draw(t, "u")
		if k := table.Pick(u); k >= 0 && !table.Servers[k].Open {
			t.Fatalf("picked %d of %+v, which is closed", k, table)
		}
	})
}

// TestBurst: between two readings, sessions do not all go where it was emptiest
// at the first of them.
func TestBurst(t *testing.T) {
	table := Table{Cost: 0.01, Servers: []Server{{Open: true, Weight: 0.9}, {Open: true, Weight: 0.3}, {Open: true, Weight: 0.3}}}
	for n := range 150 { // as much as there is room for
		k := table.Pick(math.Mod(float64(n)*math.Phi, 1))
		table.Servers[k].Sent++
	}
	for i, want := range []float64{90, 30, 30} {
		if got := table.Servers[i].Sent; math.Abs(got-want) > 8 {
			t.Errorf("server %d got %v sessions, want about %v", i, got, want)
		}
	}
}
