package hooks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"strconv"

	"rondo/autoscale/fanout"
	"rondo/autoscale/roster"
)

// A Message is what a hook's command is told.
type Message struct {
	Event   string          `json:"event"`
	Hook    string          `json:"hook,omitempty"`
	Key     string          `json:"key"`
	Version uint64          `json:"version"`
	Target  string          `json:"target"` // for whom it is run
	Member  roster.Member   `json:"member"` // whom it is about
	Members []roster.Member `json:"members"`
}

// HostOf is a member as commands know it.
func HostOf(m roster.Member) fanout.Host {
	return fanout.Host{ID: m.ID, Group: m.Group, Alias: m.Alias, Name: m.Host, Address: m.Address()}
}

// Tell is what a command is given with a message, for one host.
func (m Message) Tell(h fanout.Host) fanout.Command {
	m.Target = h.Label()
	input, err := json.Marshal(m)
	if err != nil {
		input = nil // names, numbers and times: it cannot fail
	}
	env := []string{
		"RONDO_EVENT=" + m.Event, "RONDO_HOOK=" + m.Hook, "RONDO_KEY=" + m.Key, "RONDO_VERSION=" + strconv.FormatUint(m.Version, 10),
		"RONDO_GROUP=" + m.Member.Group, "RONDO_ID=" + m.Member.ID, "RONDO_ALIAS=" + m.Member.Alias, "RONDO_RANK=" + strconv.Itoa(m.Member.Rank),
		"RONDO_HOST=" + m.Member.Host, "RONDO_ADDRESS=" + m.Member.Address(), "RONDO_PHASE=" + string(m.Member.Phase), "RONDO_TARGET=" + m.Target,
	}
	return fanout.Command{Env: env, Input: append(input, '\n'), Key: m.Key}
}

// run does what is owed. Those for whom it was done at an earlier try are left
// out.
func (h *hook) run(ctx context.Context, d debt, k mark, view roster.View) error {
	key := h.keyOf(d, k)
	m := Message{Event: d.event, Hook: h.Name, Key: key, Version: view.Version, Member: d.member, Members: view.Members}
	var hosts []fanout.Host
	for _, host := range h.targets(d, view) {
		if !h.has(d.id, key, host.ID) {
			hosts = append(hosts, host)
		}
	}
	h.runs.Add(1)
	return Failures(h.job.Run(ctx, hosts, h.limits(h.job), m.Tell, func(r fanout.Result) {
		if r.OK() {
			h.tick(d.id, key, r.Host.ID)
		}
	}))
}

// keyOf is the same for each try of one event, and another for the next one.
func (h *hook) keyOf(d debt, k mark) string {
	sum := fnv.New128a()
	fmt.Fprint(sum, h.Name, "\x00", h.Group, "\x00", d.id, "\x00", d.event, "\x00", k.Round)
	if d.event == Changed {
		fmt.Fprint(sum, "\x00", facts(d.member))
	}
	return fmt.Sprintf("%x", sum.Sum(nil))
}

// targets are the hosts that a hook is run for.
func (h *hook) targets(d debt, view roster.View) (hosts []fanout.Host) {
	if over := h.over(); over == It || over == All && d.event != Left {
		hosts = append(hosts, HostOf(d.member))
	}
	if h.over() == It {
		return hosts
	}
	for _, m := range view.Members {
		if m.Serves() && m.ID != d.id {
			hosts = append(hosts, HostOf(m))
		}
	}
	return hosts
}

// has says whether an instance's event was done for a host at an earlier try.
func (h *hook) has(id, key, host string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.told[id].key == key && h.told[id].done[host]
}

func (h *hook) tick(id, key, host string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.told[id].key != key {
		h.told[id] = telling{key, make(map[string]bool)}
	}
	h.told[id].done[host] = true
}

// Failures is what went wrong, or nil: how many failed, and how the first did.
func Failures(results []fanout.Result) error {
	failed, first := 0, ""
	for _, r := range results {
		if r.OK() {
			continue
		}
		if failed++; failed == 1 {
			first = r.Host.Label() + ": " + r.Said()
		}
	}
	switch failed {
	case 0:
		return nil
	case 1:
		return errors.New(first)
	}
	return fmt.Errorf("%d of %d failed, the first is %s", failed, len(results), first)
}
