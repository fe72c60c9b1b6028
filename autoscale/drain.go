package autoscale

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// endDrains settles drains that ended by themselves, takes back victims that
// were protected meanwhile, and terminates what has drained. Callers hold g.mu.
func (g *group) endDrains(ctx context.Context, now time.Time, may bool) {
	var over, back, ready []string
	for id, l := range g.memory.Leaving {
		at := slices.IndexFunc(g.instances, func(i Instance) bool { return i.ID == id })
		switch {
		case at < 0 || g.instances[at].Phase != Draining && g.instances[at].Phase != Replaced:
			over = append(over, id)
		case g.instances[at].Protected():
			back = append(back, id)
		case (g.Mode == Act || g.memory.byHand(l)) && g.drained(&g.instances[at], l.Since, now):
			ready = append(ready, id)
		}
	}
	if len(over) > 0 {
		slices.Sort(over)
		g.note(ctx, Entry{Kind: KindOutcome, At: now, Instances: over})
	}
	if len(back) > 0 {
		slices.Sort(back)
		g.note(ctx, Entry{Kind: KindReclaim, At: now, Instances: back, Text: "protected by tag " + TagProtect + " or by the cloud"})
		g.expect(back)
	}
	if may && len(ready) > 0 && g.stillFree(ctx, now, ready) {
		slices.Sort(ready)
		g.terminate(ctx, now, ready)
	}
}

// stillFree asks the cloud once more which of those that have drained it would
// not terminate, after a termination failed: one that was locked meanwhile must
// not keep the others. Callers hold g.mu.
func (g *group) stillFree(ctx context.Context, now time.Time, ids []string) bool {
	return g.ending.n == 0 || g.vet(ctx, now, ids)
}

// expect says that instances taken back are needed again: a termination that
// failed may have withdrawn their hosts.
func (g *group) expect(ids []string) {
	g.changed = true
	for _, i := range g.instances {
		if i.Host != "" && slices.Contains(ids, i.ID) {
			g.fleet.Expect(i.Host)
		}
	}
}

// note writes an entry that only keeps the books.
func (g *group) note(ctx context.Context, e Entry) {
	if err := g.write(ctx, e); err != nil {
		g.log.Error("journal", "err", err)
	}
}

// drained says whether an instance may be terminated: it has no work left, or
// had the time that the group gives. What it waits for is noted on it.
func (g *group) drained(i *Instance, since, now time.Time) bool {
	if now.Sub(since) >= g.Drain || g.isDead(*i, now) {
		return true
	}
	if g.drainer != nil {
		i.Drains = g.drainer.Waits(g.Name, *i, since)
		return i.Drains == ""
	}
	return false
}

// buryFor is how long the fleet is told that an instance is over: a last sample may
// be late, and another instance may have its name later.
const buryFor = 10 * time.Minute

// bury tells the fleet which instances are over, whoever has ended them: again and
// again, for one that shuts down may be heard of for long. Callers hold g.mu.
func (g *group) bury(now time.Time) {
	over := func(i Instance) { g.fleet.Over(i.ID, fmt.Sprintf("autoscale: %s of group %s is over", i.ID, g.Name)) }
	for _, i := range g.instances {
		if i.Phase == Terminating && i.Waits != Ending {
			over(i)
		}
	}
	buried := make(map[string]time.Time) // of those that are still listed
	for _, i := range g.listed {
		if i.Phase != Terminated {
			continue
		}
		since, told := g.buried[i.ID]
		if !told {
			since = now
		}
		if buried[i.ID] = since; now.Sub(since) < buryFor {
			over(i)
		}
	}
	g.buried = buried
}

// withdraw withdraws the hosts of instances, and returns those that it knows. Just
// after a start one may not have been heard of yet: the fleet may know it.
func (g *group) withdraw(ids []string) (hosts []string) {
	for _, i := range g.instances {
		why := fmt.Sprintf("autoscale: group %s retires %s", g.Name, i.ID)
		switch {
		case !slices.Contains(ids, i.ID):
		case i.Host == "":
			g.fleet.Over(i.ID, why)
		default:
			hosts = append(hosts, i.Host)
			g.fleet.Withdraw(i.Host, why)
		}
	}
	return hosts
}

// terminate withdraws the hosts first, so that their silence is no alarm. An
// attempt that fails leaves them draining; the next one asks again, for
// terminating twice does no harm.
func (g *group) terminate(ctx context.Context, now time.Time, ids []string) {
	attempt := g.attempt(now)
	if err := g.write(ctx, Entry{Kind: KindTerminate, At: now, Attempt: attempt, Instances: ids}); err != nil {
		g.log.Error("journal", "err", err)
		g.ending.fail(now, err)
		return
	}
	hosts := g.withdraw(ids)
	g.call(ctx, now, fmt.Sprintf("termination of %d", len(ids)), &g.ending, func(ctx context.Context) Entry {
		request, err := g.cloud.Terminate(ctx, g.Name, ids)
		e := outcome(attempt, request, err)
		e.Instances = ids
		switch e.Failure {
		case "":
			g.counts.add("terminated", len(ids))
		case Unclear: // it may have been done
		default:
			for _, host := range hosts { // it still runs: should it die before the next attempt, that is an alarm
				g.fleet.Expect(host)
			}
		}
		return e
	})
}
