package rrdcached

import (
	"errors"
	"fmt"

	"rondo/rrd"
)

// update gathers the values of an UPDATE. One that is refused does not take
// down those behind it.
func (c *session) update(args string) error {
	file, rest := field(args)
	if file == "" {
		return c.usage("UPDATE")
	}
	c.counts.updates.Add(1)
	p, err := c.bases.locate(file)
	if err != nil {
		return c.refuse(err)
	}
	a := answer{update: true, first: len(c.updates), cmd: c.batch}
	name := p.name()
	for rest != "" {
		var value string
		value, rest = field(rest)
		u := rrd.SetUpdate{Name: name}
		from := len(c.texts)
		if c.texts, u.Time, err = reading(c.texts, value); err != nil {
			c.env.Stats.Add("bad_time", 1)
			if !a.failed {
				a.text, a.failed = err.Error(), true
			}
			continue
		}
		u.Texts = c.texts[from:len(c.texts):len(c.texts)]
		c.updates, c.files = append(c.updates, u), append(c.files, file)
	}
	a.last = len(c.updates)
	if a.last == a.first && !a.failed {
		return c.fail("No values updated.")
	}
	c.answers = append(c.answers, a)
	return nil
}

// commit brings the updates to disk. It returns the reasons for those that
// were not taken, by their index. Where a set is unknown, it is defined, and
// its updates are tried again.
func (c *session) commit() map[int]string {
	verdicts := map[int]string{}
	unknown := c.put(nil, c.updates, verdicts)
	if len(unknown) == 0 {
		return verdicts
	}
	failed := c.defineAll(unknown)
	var again []int
	for _, i := range unknown {
		if err := failed[c.updates[i].Name]; err != nil {
			verdicts[i] = err.Error()
			reason := rrd.RefusedSet
			if errors.Is(err, rrd.ErrSetFuture) {
				reason = rrd.RefusedFuture
			}
			c.env.Stats.Add(string(reason), 1)
			continue
		}
		again = append(again, i)
	}
	retry := make([]rrd.SetUpdate, len(again))
	for n, i := range again {
		retry[n] = c.updates[i]
	}
	for _, i := range c.put(again, retry, verdicts) { // dropped meanwhile
		verdicts[i] = rrd.ErrNoSet.Error()
		c.env.Stats.Add(string(rrd.RefusedSet), 1)
	}
	return verdicts
}

// put gives updates to the store. at has their indexes for verdicts; nil: they
// are all. It returns the indexes of those whose set is unknown.
func (c *session) put(at []int, updates []rrd.SetUpdate, verdicts map[int]string) (unknown []int) {
	if len(updates) == 0 {
		return nil
	}
	index := func(i int) int {
		if at == nil {
			return i
		}
		return at[i]
	}
	err := c.env.Sets.UpdateSets(c.ctx, updates)
	refusal, refused := errors.AsType[*rrd.BatchError](err)
	if err != nil && !refused {
		c.env.Stats.Add("not_stored", len(updates))
		c.failed.Warn(c.env.Log, "updates could not be stored", "updates", len(updates), "err", err)
		for i := range updates {
			verdicts[index(i)] = err.Error()
		}
		return nil
	}
	stored := len(updates)
	if refused {
		stored -= len(refusal.Refused)
		unknown = c.judgeRefused(refusal.Refused, updates, index, verdicts)
	}
	c.env.Stats.Add("updates", stored)
	c.counts.written.Add(uint64(stored))
	return unknown
}

func (c *session) judgeRefused(refused []rrd.Refused, updates []rrd.SetUpdate, index func(int) int, verdicts map[int]string) (unknown []int) {
	reasons := map[rrd.Refusal]int{}
	for _, r := range refused {
		if errors.Is(r.Err, rrd.ErrNoSet) {
			unknown = append(unknown, index(r.Index))
			continue
		}
		reasons[r.Reason]++
		verdicts[index(r.Index)] = refusalText(r)
	}
	for reason, n := range reasons {
		c.env.Stats.Add(string(reason), n)
	}
	if n := len(refused) - len(unknown); n > 0 {
		first := refused[0]
		c.refused.Warn(c.env.Log, "updates refused", "updates", n, "set", updates[first.Index].Name,
			"reason", string(first.Reason), "detail", first.Detail)
	}
	return unknown
}

// refusalText says why an update was refused, in rrdcached's words: it writes
// the times of a stale update with their fractions.
func refusalText(r rrd.Refused) string {
	late, ok := errors.AsType[*rrd.LateError](r.Err)
	if !ok {
		return r.Detail
	}
	return fmt.Sprintf("illegal attempt to update using time %d.%06d when last update time is %d.%06d (minimum one second step)",
		late.Time/rrd.Second, late.Time%rrd.Second, late.Last/rrd.Second, late.Last%rrd.Second)
}
