package autoscale

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// split is a list that may be empty.
func split(s string) []string { return strings.FieldsFunc(s, func(r rune) bool { return r == ',' }) }

// fleetOf reads instances as "x x/spot y": one in each place, some on Spot.
func fleetOf(text string) (is []Instance) {
	for n, word := range strings.Fields(text) {
		zone, market, _ := strings.Cut(word, "/")
		is = append(is, Instance{ID: fmt.Sprint(n), Zone: zone, Subnet: zone, Market: Market(market), Phase: InService})
	}
	return is
}

func TestPlace(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	// refused reads "CODE type/zone/market minutes-ago" separated by commas.
	refused := func(text string) scarcity {
		rs := scarcity{}
		for _, r := range split(text) {
			word := strings.Fields(r)
			pool := strings.Split(word[1], "/")
			ago, _ := strconv.Atoi(word[2])
			rs.add(Refusal{Pool{Type: pool[0], Zone: pool[1], Market: Market(pool[2])}, word[0]}, now.Add(-time.Duration(ago)*time.Minute))
		}
		return rs
	}
	f := func(tmpl Template, fleet, no string, n int, want, wantWhy string) {
		t.Helper()
		at := place(Group{Launch: tmpl}, fleetOf(fleet), refused(no), now, n)
		var got []string
		for _, p := range at.pools {
			got = append(got, fmt.Sprintf("%s/%s/%s", p.Type, p.place(), p.Market))
		}
		text := fmt.Sprintf("%d %s", at.count, strings.Join(got, " "))
		if at.full {
			text += " full"
		}
		if text != want || at.why != wantWhy {
			t.Errorf("%d beside %q, refused %q:\n got %s: %s\nwant %s: %s", n, fleet, no, text, at.why, want, wantWhy)
		}
	}
	one := Template{Image: "ami-1", Type: "c5.large", Zone: "x"}
	f(one, "", "", 3, "3 ", "")
	f(one, "x", "InsufficientInstanceCapacity c5.large/x/on-demand 2", 3, "3  full", "c5.large in x had no room 2m0s ago (InsufficientInstanceCapacity)")
	f(one, "x", "InsufficientInstanceCapacity c5.large/x/on-demand 11", 3, "3 ", "")
	f(one, "x", "VcpuLimitExceeded c5.large/x/on-demand 1", 1, "1  full", `c5.large in x had no room 1m0s ago (VcpuLimitExceeded, quota L-1216C47A "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances")`)

	zones := Template{Types: []string{"c7.large", "m7.large"}, Zones: []string{"x", "y", "z"}}
	f(zones, "", "", 6, "2 c7.large/x/on-demand", "2 as c7.large in x, which has 0")
	f(zones, "x x", "", 4, "2 c7.large/y/on-demand", "2 as c7.large in y, which has 0")
	f(zones, "x x y y", "", 4, "3 c7.large/z/on-demand", "3 as c7.large in z, which has 0")
	f(zones, "x x y y z", "", 1, "1 c7.large/z/on-demand", "1 as c7.large in z, which has 1")
	f(zones, "other", "", 1, "1 c7.large/x/on-demand", "1 as c7.large in x, which has 0")
	// What has no room is passed over: first the type, then the place.
	f(zones, "", "InsufficientInstanceCapacity c7.large/x/on-demand 3", 3, "1 m7.large/x/on-demand",
		"1 as m7.large in x, which has 0; c7.large in x had no room 3m0s ago (InsufficientInstanceCapacity)")
	f(zones, "", "InsufficientInstanceCapacity c7.large/x/on-demand 3,InsufficientInstanceCapacity m7.large/x/on-demand 3", 3, "2 c7.large/y/on-demand", "2 as c7.large in y, which has 0")
	f(zones, "", "InsufficientFreeAddressesInSubnet c7.large/x/on-demand 3", 3, "2 c7.large/y/on-demand", "2 as c7.large in y, which has 0")
	// A quota is the account's: no zone helps.
	f(zones, "", "VcpuLimitExceeded c7.large/x/on-demand 1", 3, "1 c7.large/x/on-demand full",
		`all 6 pools were refused lately; 1 as c7.large in x, whose refusal weighs least: c7.large in x had no room 1m0s ago (VcpuLimitExceeded, quota L-1216C47A "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances")`)
	f(Template{Types: []string{"c7.large", "g5.large"}, Zones: []string{"x"}}, "", "VcpuLimitExceeded c7.large/x/on-demand 1", 3, "3 g5.large/x/on-demand",
		`3 as g5.large in x; c7.large in x had no room 1m0s ago (VcpuLimitExceeded, quota L-1216C47A "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances")`)
	// Refused often is refused for longer; the oldest refusal weighs least.
	f(Template{Type: "c7.large", Zones: []string{"x", "y"}}, "", "InsufficientInstanceCapacity c7.large/x/on-demand 25,InsufficientInstanceCapacity c7.large/x/on-demand 14,InsufficientInstanceCapacity c7.large/y/on-demand 4", 2,
		"1 c7.large/x/on-demand full", "all 2 pools were refused lately; 1 as c7.large in x, whose refusal weighs least: c7.large in x had no room 14m0s ago (InsufficientInstanceCapacity)")
	f(Template{Type: "c7.large", Zones: []string{"x", "y"}}, "", "InsufficientInstanceCapacity c7.large/x/on-demand 14,InsufficientInstanceCapacity c7.large/y/on-demand 4", 2,
		"2 c7.large/x/on-demand", "2 as c7.large in x, which has 0")
	f(Template{Type: "c7.large", Zones: []string{"x", "y"}}, "", "InsufficientInstanceCapacity c7.large/x/on-demand 4,InsufficientInstanceCapacity c7.large/y/on-demand 1", 2,
		"1 c7.large/x/on-demand full", "all 2 pools were refused lately; 1 as c7.large in x, whose refusal weighs least: c7.large in x had no room 4m0s ago (InsufficientInstanceCapacity)")

	subnets := Template{Type: "c7.large", Subnets: []string{"subnet-1", "subnet-2"}}
	f(subnets, "subnet-1", "", 3, "2 c7.large/subnet-2/on-demand", "2 as c7.large in subnet-2, which has 0")

	spot := Template{Type: "c7.large", Spot: SpotPolicy{Share: 0.5, Base: 2}}
	f(spot, "", "", 2, "2 c7.large//on-demand", "2 as c7.large")
	f(spot, "", "", 6, "4 c7.large//on-demand", "4 as c7.large")
	f(spot, "x x x x", "", 2, "2 c7.large//spot", "2 as c7.large, Spot")
	f(spot, "x x x x/spot x/spot x/spot", "", 2, "2 c7.large//on-demand", "2 as c7.large")
	f(spot, "x x x x", "SpotMaxPriceTooLow c7.large//spot 1", 2, "2 c7.large//on-demand",
		"2 as c7.large; no room on Spot: c7.large, Spot had no room 1m0s ago (SpotMaxPriceTooLow)")
	f(Template{Types: []string{"c7.large", "m7.large"}, Zones: []string{"x", "y"}, Spot: SpotPolicy{Share: 1}}, "", "MaxSpotInstanceCountExceeded c7.large/x/spot 1", 2, "1 c7.large/x/on-demand",
		"1 as c7.large in x, which has 0; no room on Spot: c7.large in x, Spot had no room 1m0s ago (MaxSpotInstanceCountExceeded)")

	fleet := Template{LaunchTemplate: "web", Fleet: true, Types: []string{"c7.large", "m7.large"}, Zones: []string{"x", "y"}}
	f(fleet, "x", "", 3, "2 c7.large/y/on-demand m7.large/y/on-demand c7.large/x/on-demand m7.large/x/on-demand", "2 as c7.large in y, which has 0")
	f(fleet, "x", "InsufficientInstanceCapacity c7.large/y/on-demand 1", 3, "2 m7.large/y/on-demand c7.large/x/on-demand m7.large/x/on-demand",
		"2 as m7.large in y, which has 0; c7.large in y had no room 1m0s ago (InsufficientInstanceCapacity)")
}

// TestPlaceLaws holds whatever the template, the fleet and the refusals.
func TestPlaceLaws(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		types := []string{"c7.large", "m7.large", "g5.large"}[:rapid.IntRange(1, 3).Draw(t, "types")]
		zones := []string{"x", "y", "z", "w"}[:rapid.IntRange(1, 4).Draw(t, "zones")]
		g := Group{Launch: Template{Types: types, Zones: zones}, MinPerZone: rapid.IntRange(0, 3).Draw(t, "min_per_zone")}.WithDefaults()
		if rapid.Bool().Draw(t, "spot") {
			g.Launch.Spot = SpotPolicy{Share: rapid.Float64Range(0.01, 1).Draw(t, "share"), Base: rapid.IntRange(0, 4).Draw(t, "base")}
		}
		now, no := scriptNow, scarcity{}
		for range rapid.IntRange(0, 12).Draw(t, "refusals") {
			pool := rapid.SampledFrom(g.Launch.pools()).Draw(t, "pool")
			code := rapid.SampledFrom([]string{"InsufficientInstanceCapacity", "InsufficientInstanceCapacity", "InsufficientFreeAddressesInSubnet", "VcpuLimitExceeded", "MaxSpotInstanceCountExceeded"}).Draw(t, "code")
			no.add(Refusal{pool, code}, now.Add(-time.Duration(rapid.IntRange(0, 40).Draw(t, "ago"))*time.Minute))
		}
		room := func(p Pool) bool { return no.weight(p, now) <= hasRoom }
		need := max(g.Min, rapid.IntRange(1, 40).Draw(t, "n"))
		var is []Instance
		for len(is) < need {
			at := place(g, is, no, now, need-len(is))
			if at.count < 1 || at.count > need-len(is) {
				t.Fatalf("%d placed of %d", at.count, need-len(is))
			}
			pool := g.Launch.pools()[0]
			if len(at.pools) > 0 {
				pool = at.pools[0]
			}
			if any := slices.ContainsFunc(g.Launch.pools(), room); at.full == any || any && !room(pool) {
				t.Fatalf("%+v: a pool without need is taken only where none has room: %v", at, any)
			}
			for range at.count {
				is = append(is, Instance{ID: fmt.Sprint(len(is)), Zone: pool.Zone, Type: pool.Type, Market: pool.Market, Phase: InService})
			}
		}
		open := slices.DeleteFunc(slices.Clone(zones), func(z string) bool {
			return !slices.ContainsFunc(g.Launch.pools(), func(p Pool) bool { return p.Zone == z && p.Market == OnDemand && room(p) })
		})
		count := map[string]int{}
		for _, i := range is {
			count[i.Zone]++
		}
		if g.Launch.Spot.Share == 0 && len(open) > 0 {
			low, high := need, 0
			for _, z := range open {
				low, high = min(low, count[z]), max(high, count[z])
			}
			if high-low > 1 {
				t.Fatalf("zones with room are not even: %v", count)
			}
		}
		for _, z := range zones {
			if len(no) == 0 && count[z] < g.MinPerZone {
				t.Fatalf("%d in %s, want at least %d: %v", count[z], z, g.MinPerZone, count)
			}
		}
	})
}

// choice is a group with three types' and zones' pools.
func choice() Config {
	c := web()
	c.Groups[0].Launch = Template{Image: "ami-1", Types: []string{"c7.large", "m7.large"}, Zones: []string{"x", "y", "z"}}
	c.Groups[0].Cooldown = 5 * time.Minute
	return c
}

// TestLaunchIsSpread: a decision of 6 goes to three zones one after the other,
// past the cooldown that follows the first launch; more load than that waits.
func TestLaunchIsSpread(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1000)
		w.setDemand(1)
		l := w.live(choice())
		time.Sleep(6 * time.Minute)
		w.setDemand(32)
		time.Sleep(10 * time.Second)
		l.stop()
		zones := map[string]int{}
		for _, m := range w.instances {
			zones[m.Zone]++
		}
		if len(w.instances) != 8 || zones["x"] > 3 || zones["y"] > 3 || zones["z"] > 3 {
			t.Errorf("%d instances, %v; want 8, evenly", len(w.instances), zones)
		}
	})
}

// TestRestGoesElsewhere: a launch that gets fewer than it asked for says that its
// pool is full; what is missing comes from the next ones.
func TestRestGoesElsewhere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1000)
		w.setDemand(1)
		l := w.live(choice())
		time.Sleep(6 * time.Minute)
		w.mu.Lock()
		w.most = 1
		w.mu.Unlock()
		w.setDemand(32)
		time.Sleep(15 * time.Second)
		l.stop()
		pools := map[string]int{}
		for _, m := range w.instances {
			pools[m.Type+" "+m.Zone]++
		}
		if len(w.instances) != 8 || len(pools) < 4 {
			t.Errorf("%d instances of %v; want 8 of several types and zones", len(w.instances), pools)
		}
	})
}

// TestNoRoomGoesElsewhereAtOnce: each pool without room costs one call and no
// wait; a restart remembers it; where no pool has room the calls become rare.
func TestNoRoomGoesElsewhereAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1000)
		w.full = func(p Pool) bool { return p.Zone != "z" || p.Type != "m7.large" }
		began := time.Now()
		l := w.live(choice())
		time.Sleep(20 * time.Second)
		if w.count() != 2 || w.asked() != 6 {
			t.Errorf("after %s: %d instances by %d calls; want 2 by 6: one for each pool without room, one for the rest", time.Since(began), w.count(), w.asked())
		}
		time.Sleep(5 * time.Minute)
		l.stop()
		w.setDemand(12)
		l = w.live(choice())
		time.Sleep(20 * time.Second)
		if w.count() != 3 || w.asked() != 7 {
			t.Errorf("after a restart: %d instances by %d calls; want 3 by 7", w.count(), w.asked())
		}
		w.mu.Lock()
		w.full = func(Pool) bool { return true }
		w.mu.Unlock()
		w.setDemand(40)
		time.Sleep(10 * time.Minute)
		if more := w.asked() - 7; more < 4 || more > 15 {
			t.Errorf("without room anywhere %d calls in 10 minutes", more)
		}
		if last := l.Views()[0].Recent; !strings.Contains(fmt.Sprint(last), "all 6 pools were refused lately") {
			t.Errorf("no decision says that all pools are full: %v", last)
		}
		l.stop()
	})
}

// TestCrashOverPools is TestCrash for a group with several types and zones, of
// which some have no room at times: the rest of a decision, asked for elsewhere,
// is never asked for twice.
func TestCrashOverPools(t *testing.T) {
	t.Parallel()
	runs, first := runsOf(t, 30)
	for n := range uint64(runs) {
		seed := first + n
		synctest.Test(t, func(t *testing.T) {
			c := newCrashRun(t, seed)
			c.conf.Groups[0].Launch = choice().Groups[0].Launch
			c.w.full = func(p Pool) bool {
				spell := uint64(time.Now().Unix()) / 40
				return rand.New(rand.NewPCG(seed, spell+uint64(len(p.Type))*31+uint64(p.Zone[0]))).IntN(3) == 0
			}
			c.run()
			if t.Failed() {
				t.Logf("again with RONDO_CRASH_SEED=%d", seed)
			}
		})
		if t.Failed() {
			t.FailNow()
		}
	}
}
