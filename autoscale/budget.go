package autoscale

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"
)

// A Budget is a wall in front of a group's spending, in the currency of its
// prices. It counts every instance that carries the group's tag and runs, or may:
// silent, draining and unsettled ones too, whoever launched them.
//
//	spent |                      month ................ the wall
//	      |                  .--'
//	      |              .-'   ^ here all above min goes: what is left pays for min
//	      |          .-'         to the month's end, and for the rest until it is gone
//	      |     .--'
//	      +--------------------------------> the month, in UTC
//
// At the wall of the hour, and ahead of that of the month, launches are refused.
// Where the month's money would not outlast the present capacity, capacity goes
// to min, past all rests. What min costs until the month's end is set aside
// before anything else, and min is never gone below: instances up to min are
// launched and kept even where more was spent than planned. What a schedule adds
// to min is not set aside, and stops at the walls like all else.
type Budget struct {
	Hour   float64            `yaml:"hour"`   // most that all instances together may cost in an hour
	Month  float64            `yaml:"month"`  // most that is spent in a calendar month
	Prices map[string]float64 `yaml:"prices"` // of an instance's hour, by type; "default" of all other types
}

// otherTypes is the key of [Budget].Prices for all types that are not in it.
const otherTypes = "default"

// The time that the wall of the month reserves.
const (
	// letGoSlack is how long it may take to be rid of an instance, beside its
	// drain: calls that fail or are unclear, and outages of the cloud's API.
	letGoSlack = time.Hour
	// worthwhile is how long there must be money for, to launch at all.
	worthwhile = time.Hour
)

// price is what an hour of a type costs: where nobody says, the dearest.
func (b *Budget) price(kind string) float64 {
	if p, ok := b.Prices[kind]; ok {
		return p
	}
	if p, ok := b.Prices[otherTypes]; ok {
		return p
	}
	dearest := 0.0
	for _, p := range b.Prices {
		dearest = max(dearest, p)
	}
	return dearest
}

// longestMonth is what a minimum must be paid for.
const longestMonth = 31 * 24

// validate checks that there is a wall, that prices are known, and that min can
// be paid.
func (b *Budget) validate(g Group, check func(bool, string, ...any)) {
	if b == nil {
		return
	}
	good := func(v float64) bool { return finite(v) && v >= 0 }
	check(good(b.Hour) && good(b.Month) && b.Hour+b.Month > 0, "budget: hour or month is wanted, more than 0")
	for kind, p := range b.Prices {
		check(finite(p) && p > 0, "budget.prices.%s %v: want more than 0", kind, p)
	}
	for _, kind := range g.Launch.types() {
		_, known := b.Prices[kind]
		_, other := b.Prices[otherTypes]
		check(known || other, "budget.prices: what an hour of %s costs is wanted, or a default", cmp.Or(kind, "an instance"))
	}
	floor := float64(g.Min) * b.dearest(g.Launch)
	check(b.Hour == 0 || floor <= b.Hour, "budget.hour %v does not pay for min %d, which costs %s", b.Hour, g.Min, num(floor))
	check(b.Month == 0 || floor*longestMonth <= b.Month, "budget.month %v does not pay for min %d, which costs %s in 31 days", b.Month, g.Min, num(floor*longestMonth))
}

// dearest is the highest price that a launch may have.
func (b *Budget) dearest(t Template) (p float64) {
	for _, kind := range t.types() {
		p = max(p, b.price(kind))
	}
	return p
}

// rates is what a group costs in an hour.
type rates struct {
	each  float64 // one more instance
	now   float64 // all that runs, or may
	floor float64 // what stays when the group is at min
	alive int
}

func (g Group) rates(in Input) rates {
	r := rates{each: g.Budget.dearest(g.Launch), alive: in.Unsettled}
	r.now = float64(in.Unsettled) * r.each
	dearest, protected := r.each, 0.0
	for _, i := range in.Instances {
		if i.Phase == Stopped || i.Phase == Terminated {
			continue
		}
		p := g.Budget.price(i.Type)
		r.alive++
		r.now += p
		dearest = max(dearest, p)
		if i.Protected() {
			protected += p
		}
	}
	r.floor = max(float64(g.ownMin())*dearest, protected)
	return r
}

// committed is what a month will have cost where the group goes to min when
// reserve has passed.
func (r rates) committed(in Input, reserve time.Duration) float64 {
	left := monthAfter(in.Now).Sub(in.Now)
	return in.Spent + r.floor*left.Hours() + max(r.now-r.floor, 0)*min(reserve, left).Hours()
}

// letGo is how long an instance may go on to cost when it is to go.
func (g Group) letGo() time.Duration { return g.Drain + letGoSlack }

// holdBudget refuses what a scale-out would cost too much, or cuts it.
func (g Group) holdBudget(d *Decision, in Input, c counts) (met []Guard) {
	if g.Budget == nil {
		return nil
	}
	r := g.rates(in)
	back := min(c.draining, d.To-d.From)
	wall := func(name, figures string, room int) {
		n := d.To - d.From - back
		switch {
		case n > room && room+back == 0:
			met = append(met, blocked(name, "%s", figures))
		case n > room:
			d.cut(d.From+back+room, figures)
			fallthrough
		default:
			met = append(met, passed(name, "%s: room for %d", figures, room))
		}
	}
	if b := g.Budget.Hour; b > 0 {
		wall("budget-hour", fmt.Sprintf("%s an hour now, one more is %s, budget.hour is %s", num(r.now), num4(r.each), num(b)), roomFor(b-r.now, r.each))
	}
	if b := g.Budget.Month; b > 0 {
		reserve := g.letGo() + g.Boot + worthwhile
		committed := r.committed(in, reserve)
		each := r.each * min(reserve, monthAfter(in.Now).Sub(in.Now)).Hours()
		// What is below the floor is in committed already.
		room := roomFor(b-committed+max(r.floor-r.now, 0)/r.each*each, each)
		if committed > b { // what goes for want of money does not come back, but for min, which is paid for
			back = min(back, max(g.ownMin()-c.capacity, 0))
		}
		wall("budget-month", fmt.Sprintf("%s spent this month, %s with min until its end and the rest until it can go, budget.month is %s", num(in.Spent), num(committed), num(b)), max(room, g.ownMin()-r.alive))
	}
	return met
}

// num4 writes a price.
func num4(v float64) string { return fmt.Sprintf("%.4g", v) }

// roomFor is how many of a price there is money for.
func roomFor(money, each float64) int {
	return int(min(max(math.Floor(money/each+1e-9), 0), 1<<20))
}

// codeBudget is the code of a scale-in that the month's budget asks for.
const codeBudget = "budget"

// planBudget goes to min where the month's money would not outlast what runs.
func (g Group) planBudget(p plan, in Input, c counts) plan {
	figures, broke := g.broke(in)
	if !broke || c.capacity <= g.ownMin() {
		return p
	}
	return plan{to: g.ownMin(), code: codeBudget, reason: fmt.Sprintf("%s: %d -> %d", figures, c.capacity, g.ownMin())}
}

// broke says whether the month's money would not outlast what runs, and by which
// figures.
func (g Group) broke(in Input) (figures string, broke bool) {
	if g.Budget == nil || g.Budget.Month <= 0 {
		return "", false
	}
	committed := g.rates(in).committed(in, g.letGo())
	return fmt.Sprintf("%s spent this month, %s with min until its end and the rest until it is gone, budget.month is %s",
		num(in.Spent), num(committed), num(g.Budget.Month)), committed > g.Budget.Month
}

// endSilent decides that one goes which is lost and not heard, where the month's
// money does not outlast what runs: it costs as much as one that serves, and
// nobody pays for another in its place. As all that goes for want of money it
// waits for the stop switch alone.
func (g Group) endSilent(d Decision, in Input, c counts, lost []loss) (Decision, bool) {
	at := slices.IndexFunc(lost, func(l loss) bool { return !l.capable && !l.Protected() })
	figures, broke := g.broke(in)
	if at < 0 || !broke || c.capacity < g.ownMin() {
		return d, false
	}
	d = g.anew(d, In, d.From, codeBudget, lost[at], fmt.Sprintf("%s; %s", figures, lost[at].why))
	hold(&d, g.holdBoth(in, c)[:1])
	return d, true
}

// dispensable chooses who goes when the money ends: who serves nobody yet first.
func (g Group) dispensable(instances []Instance, n int, sessions map[string]float64, now time.Time) (out []victim) {
	for _, i := range instances {
		if (i.Phase == Pending || i.Phase == Booting) && !i.Protected() && len(out) < n {
			out = append(out, victim{i.ID, i.ID + " does not serve yet"})
		}
	}
	g.MinPerZone = 0
	return append(out, g.victims(instances, n-len(out), sessions, now)...)
}

// A bill is what a group has cost in a month, up to a moment. Entries of the
// journal carry it, so that it survives a restart.
type bill struct {
	Month  string    `json:"month"` // 2026-11, in UTC
	Spent  float64   `json:"spent"`
	Before float64   `json:"before,omitempty"` // of the month before, should the clock go back there
	Rate   float64   `json:"rate"`             // an hour, at that moment
	At     time.Time `json:"at"`
}

// billEvery is how often a bill is journalled while the rate stays.
const billEvery = 10 * time.Minute

func monthOf(t time.Time) string { return t.UTC().Format("2006-01") }

func monthStart(t time.Time) time.Time {
	t = t.UTC()
	return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
}

func monthAfter(t time.Time) time.Time { return monthStart(t).AddDate(0, 1, 0) }

// charge adds the time since the bill's moment at the higher of the rates then
// and now: what was launched or lost in between, or while rondo did not run, is
// never charged too little.
func (b bill) charge(now time.Time, rate float64) bill {
	cost := max(now.Sub(b.At), 0).Hours() * max(b.Rate, rate)
	switch month := monthOf(now); {
	case month > b.Month:
		since := min(now.Sub(monthStart(now)), max(now.Sub(b.At), 0)).Hours() * max(b.Rate, rate)
		b = bill{Month: month, Spent: since, Before: b.Spent + cost - since}
	case month < b.Month: // the clock was ahead
		b = bill{Month: month, Spent: b.Before + b.Spent + cost}
	default:
		b.Spent += cost
	}
	b.Rate, b.At = rate, now
	return b
}

// firstBill charges what runs from its launch, or from the month's start.
func (g Group) firstBill(in Input, rate float64) bill {
	b := bill{Month: monthOf(in.Now), Rate: rate, At: in.Now}
	for _, i := range in.Instances {
		since := i.Launched
		if start := monthStart(in.Now); since.Before(start) {
			since = start
		}
		if i.Phase != Stopped && i.Phase != Terminated {
			b.Spent += max(in.Now.Sub(since), 0).Hours() * g.Budget.price(i.Type)
		}
	}
	return b
}

// meter brings the bill up to now, and journals it where the rate has changed.
// Callers hold g.mu.
func (g *group) meter(ctx context.Context, now time.Time) {
	if g.Budget == nil || g.listedAt.IsZero() {
		return
	}
	in := g.input(now)
	rate := g.rates(in).now
	if g.bill.At.IsZero() {
		g.bill = g.memory.Bill
	}
	if g.bill.At.IsZero() {
		g.bill = g.firstBill(in, rate)
	} else {
		g.bill = g.bill.charge(now, rate)
	}
	if old := g.memory.Bill; old.Rate != rate || old.Month != g.bill.Month || now.Sub(old.At) >= billEvery || old.At.After(now) {
		b := g.bill
		b.At = b.At.UTC().Round(0)
		g.note(ctx, Entry{Kind: KindBill, At: now, Bill: &b})
	}
}

// owe lets a launch cost from its call on: what dies before the next look was
// paid for all the same. Callers hold g.mu.
func (g *group) owe(l Launch) {
	if g.Budget != nil {
		g.bill.Rate += float64(l.Count) * g.Budget.dearest(g.Launch)
	}
}

// A Spending is how a group stands against its budget.
type Spending struct {
	Rate  float64 `json:"rate"` // of an hour, now
	Hour  float64 `json:"hour,omitempty"`
	Spent float64 `json:"spent"` // this month
	Month float64 `json:"month,omitempty"`
}

// spending returns how the group stands; nil where it has no budget.
func (g *group) spending() *Spending {
	if g.Budget == nil {
		return nil
	}
	return &Spending{Rate: g.bill.Rate, Hour: g.Budget.Hour, Spent: g.bill.Spent, Month: g.Budget.Month}
}
