package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"rondo/alerts/fleet"
	"rondo/autoscale"
	"rondo/rrd"
)

// A follower is what follows the members of groups: a balancer, names, files.
// It goes by who is a member now, never by what has changed: after a restart,
// or a failure of its own, it finds out what is left to do.
type follower interface {
	// Run follows until ctx ends.
	Run(ctx context.Context, groups autoscale.Groups) error
}

// house is all that follows the groups of a configuration. Of its followers
// those that are an [autoscale.Drainer] too are asked before an instance ends.
type house []follower

// buildHouse makes what follows the groups of a configuration.
func (s *server) buildHouse(ctx context.Context, conf *config, p *parts) error {
	p.house = append(p.house, s.crew, s.newScribe())
	return errors.Join(s.buildRedirect(ctx, conf, p), s.followInAWS(ctx, conf, p), s.followByName(ctx, conf.Autoscale, p), s.buildManagement(ctx, conf, p))
}

// drainers are all that have a say in when an instance has drained.
func (h house) drainers(f *fleet.Fleet) autoscale.Drainers {
	all := autoscale.Drainers{lastWords{f}}
	for _, f := range h {
		if d, ok := f.(autoscale.Drainer); ok {
			all = append(all, d)
		}
	}
	return all
}

// A noter is a follower with something to say of an instance, for its line on
// the page and in listings: its weight, its health, its sessions.
type noter interface {
	// Note is that in few words; "" where there is nothing.
	Note(group, instance string) string
}

// notes are what the followers say of an instance.
func (h house) notes(group, instance string) (out []string) {
	for _, f := range h {
		if n, ok := f.(noter); ok {
			if note := n.Note(group, instance); note != "" {
				out = append(out, note)
			}
		}
	}
	return out
}

// Remarks implements [autoscale.House], by the followers that have something to
// say of a whole group.
func (h house) Remarks(group string) (said []string) {
	for _, f := range h {
		if r, ok := f.(autoscale.Remarker); ok {
			said = append(said, r.Remarks(group)...)
		}
	}
	return said
}

// Needs implements [autoscale.House], by the followers that need to be allowed
// something.
func (h house) Needs(ctx context.Context, group string) (needs []autoscale.Requirement) {
	for _, f := range h {
		if n, ok := f.(interface {
			Needs(ctx context.Context, group string) []autoscale.Requirement
		}); ok {
			needs = append(needs, n.Needs(ctx, group)...)
		}
	}
	return needs
}

// Ailing implements [autoscale.House], by the followers that look after the
// health of instances. Where several find one ailing, the first that did counts.
func (h house) Ailing(group string) map[string]autoscale.Ailment {
	all := make(map[string]autoscale.Ailment)
	for _, f := range h {
		a, ok := f.(interface {
			Ailing(group string) map[string]autoscale.Ailment
		})
		if !ok {
			continue
		}
		for id, ailment := range a.Ailing(group) {
			if before, ok := all[id]; !ok || ailment.Since.Before(before.Since) {
				all[id] = ailment
			}
		}
	}
	return all
}

// A counting follower counts what it does.
type counting interface {
	Room() string // rondo.<room>.<what>
	Stats() map[string]uint64
}

// counters are what the followers count, by their rooms.
func (h house) counters() map[string]map[string]uint64 {
	rooms := make(map[string]map[string]uint64)
	for _, f := range h {
		if c, ok := f.(counting); ok {
			rooms[c.Room()] = c.Stats()
		}
	}
	return rooms
}

// A sampler is a follower with figures of its own.
type sampler interface {
	AppendSamples(dst []rrd.Sample, now time.Time) []rrd.Sample
}

// appendSamples appends the followers' own figures.
func (h house) appendSamples(dst []rrd.Sample, now time.Time) []rrd.Sample {
	for _, f := range h {
		if s, ok := f.(sampler); ok {
			dst = s.AppendSamples(dst, now)
		}
	}
	return dst
}

// checkFollowed finds groups that a section names and that there are not.
func (c *config) checkFollowed(section string, groups ...string) error {
	var known []string
	for _, g := range c.Autoscale.Groups.Groups {
		known = append(known, g.Name)
	}
	var errs []error
	for _, name := range groups {
		if !slices.Contains(known, name) {
			errs = append(errs, fmt.Errorf("autoscale: %s: there is no group %q%s", section, name, suggest(name, known)))
		}
	}
	return errors.Join(errs...)
}

// lastWords has an instance wait until what it has logged is stored.
type lastWords struct{ fleet *fleet.Fleet }

// Waits implements [autoscale.Drainer].
func (l lastWords) Waits(_ string, i autoscale.Instance, since time.Time) string {
	names := append([]string{i.ID}, i.Names()...)
	if i.Host != "" {
		names = []string{i.Host}
	}
	for _, name := range names { // one that only logs has no heartbeat, and so no host
		if w := l.fleet.LastWords(name, since); w != "" {
			return w
		}
	}
	return ""
}
