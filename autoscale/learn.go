package autoscale

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"
)

// What is learnt of boot times.
const (
	bootsKept   = 50 // of each kind of instance, the newest
	kindsKept   = 60 // of a group, those heard of last
	bootsEnough = 5  // from so many on they count instead of the group's boot
	bootShare   = 0.9
	leastBoot   = 5 * time.Second // the controller looks no more often
	longestBoot = time.Hour       // longer is no boot: someone repaired it
	lookedAway  = 3               // ticks without a look, and nobody can say when the first heartbeat came
)

// A Boot is how long one instance took from its launch to its first heartbeat,
// and what it was.
type Boot struct {
	Image   string  `json:"image,omitempty"`
	Type    string  `json:"type,omitempty"`
	Zone    string  `json:"zone,omitempty"`
	Seconds float64 `json:"seconds"`
}

// boots are the times of one kind of instance: of one image, type and zone.
type boots struct {
	Image   string    `json:"image,omitempty"`
	Type    string    `json:"type,omitempty"`
	Zone    string    `json:"zone,omitempty"`
	Seconds []float64 `json:"seconds"` // the newest last
	At      time.Time `json:"at"`      // of the newest
}

// learn adds a boot to its kind.
func (m *memory) learn(b Boot, at time.Time) {
	key := b.Type + " " + b.Zone + " " + b.Image
	kind := m.Boots[key]
	seconds := append(slices.Clone(kind.Seconds), b.Seconds)
	m.Boots[key] = boots{b.Image, b.Type, b.Zone, seconds[max(0, len(seconds)-bootsKept):], at}
	if len(m.Boots) > kindsKept {
		oldest := slices.MinFunc(slices.Sorted(maps.Keys(m.Boots)), func(a, b string) int {
			return m.Boots[a].At.Compare(m.Boots[b].At)
		})
		delete(m.Boots, oldest)
	}
}

// bootOf returns the time within which nine of ten instances of a group are
// heard of, and from how many boots that is known: from those of the image, of
// its slowest type and zone that has enough; else from all the group's.
// Without enough it returns 0, 0.
func (m *memory) bootOf(image string) (boot time.Duration, known int) {
	var all []float64
	for _, k := range m.Boots {
		all = append(all, k.Seconds...)
		if image != "" && k.Image != "" && k.Image != image {
			continue
		}
		if b := p90(k.Seconds); len(k.Seconds) >= bootsEnough && (b > boot || b == boot && len(k.Seconds) > known) {
			boot, known = b, len(k.Seconds)
		}
	}
	if known == 0 && len(all) >= bootsEnough {
		boot, known = p90(all), len(all)
	}
	return boot, known
}

// p90 is the nearest rank of the share of bootShare, within sane limits.
func p90(s []float64) time.Duration {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	rank := int(math.Ceil(bootShare * float64(len(sorted))))
	return min(max(seconds(sorted[rank-1]), leastBoot), longestBoot)
}

// learnt is the group with the boot time that its instances have shown, and from
// how many of them that is known: 0 where it is as configured. Callers hold g.mu.
func (g *group) learnt() (conf Group, known int) {
	conf = g.Group
	if g.Learn != nil && !*g.Learn {
		return conf, 0
	}
	boot, known := g.memory.bootOf(g.Launch.Image)
	if known > 0 {
		conf.Boot = boot
	}
	return conf, known
}

// learntBoot says for people what Boot is where it was learnt, else nothing.
func (g Group) learntBoot(in Input) string {
	if in.BootsKnown == 0 {
		return ""
	}
	return fmt.Sprintf(" (boot %s, learnt from %d)", span(g.Boot), in.BootsKnown)
}

// noteBoots journals how long those took that are heard of for the first time.
// Only what was launched and heard of while we looked has a time that is known.
// Callers hold g.mu.
func (g *group) noteBoots(ctx context.Context, now time.Time, every time.Duration) {
	away := now.Sub(g.sighted) > lookedAway*every
	g.sighted = now
	if away {
		return
	}
	for _, i := range g.instances {
		took := i.FirstSeen.Sub(i.Launched)
		if !i.FirstSeen.Equal(now) || i.Launched.Before(g.watched) || took <= 0 || took > longestBoot {
			continue
		}
		b := Boot{Image: cmp.Or(i.Image, g.Launch.Image), Type: cmp.Or(i.Type, g.Launch.Type), Zone: cmp.Or(i.Zone, g.Launch.Zone), Seconds: took.Seconds()}
		g.note(ctx, Entry{Kind: KindHeard, At: now, Instances: []string{i.ID}, Boot: &b})
	}
}
