package autoscale

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

// TestRandomBudgets: random prices, budgets, loads, failing calls and crashes,
// over the end of a month. At no time do more instances run than the hour's
// budget pays for, and neither month costs more than its budget, by the price of
// an instance-minute.
//
// RONDO_BUDGETS is the number of runs, RONDO_BUDGET_SEED repeats one.
func TestRandomBudgets(t *testing.T) {
	t.Parallel()
	runs, first := 2, rand.Uint64()
	if s := os.Getenv("RONDO_BUDGETS"); s != "" {
		runs, _ = strconv.Atoi(s)
	}
	if s := os.Getenv("RONDO_BUDGET_SEED"); s != "" {
		first, _ = strconv.ParseUint(s, 10, 64)
		runs = 1
	}
	var left []float64
	for seed := first; seed < first+uint64(runs); seed++ {
		synctest.Test(t, func(t *testing.T) {
			left = append(left, budgetRun(t, seed))
			if t.Failed() {
				t.Logf("again with RONDO_BUDGET_SEED=%d", seed)
			}
		})
		if t.Failed() {
			t.FailNow()
		}
	}
	t.Logf("%d runs from seed %d; left over of the month's money: %.2v", runs, first, left)
}

// budgetRun returns the share of the money that was there at the beginning, and
// is left at the month's end.
func budgetRun(t *testing.T, seed uint64) float64 {
	rng := rand.New(rand.NewPCG(seed, 1))
	end := time.Date(2000, 2, 1, 0, 0, 0, 0, time.UTC)
	began := end.Add(-time.Duration(3+rng.IntN(12)) * time.Hour)
	time.Sleep(time.Until(began))

	c := web()
	c.Tick = time.Minute
	g := &c.Groups[0]
	g.Min, g.Stale, g.Out.For, g.In.For, g.MaxLaunches = rng.IntN(4), 2*time.Minute, 0, time.Minute, 10_000
	g.Drain = time.Duration(rng.IntN(2)*rng.IntN(10)) * time.Minute
	g.Launch = Template{Image: "ami-1", Types: []string{"small", "large", "unlisted"}[:1+rng.IntN(3)]}
	cheap := 0.01 + rng.Float64()
	prices := map[string]float64{"small": cheap, "large": cheap * (1 + 3*rng.Float64()), otherTypes: cheap * (1 + 5*rng.Float64())}
	dearest := max(prices["large"], prices[otherTypes])
	g.Budget = &Budget{Prices: prices, Month: float64(g.Min)*dearest*longestMonth + 50*dearest + rng.Float64()*1000*cheap}
	if rng.IntN(2) == 0 {
		g.Budget.Hour = dearest * (float64(g.Min) + 1 + rng.Float64()*10)
	}
	w := newWorld(t, 2000)
	w.rng, w.lag = rand.New(rand.NewPCG(seed, 2)), time.Second
	// What is there for this stretch: min, and an hour of many, to all that could be used.
	spent := g.Budget.Month - float64(g.Min)*dearest*(end.Sub(began).Hours()+1) - rng.Float64()*60*dearest
	spent = max(spent, 0)
	j, _, err := OpenJournal(w.store)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.Append(t.Context(), Entry{Group: "web", At: began, Kind: KindBill, Bill: &bill{Month: monthOf(began), Spent: spent, At: began}}); err != nil {
		t.Fatal(err)
	}
	l := w.live(c)
	for time.Now().Before(end.Add(2 * time.Hour)) {
		w.setDemand(rng.Float64() * 60)
		time.Sleep(time.Duration(rng.IntN(30)) * time.Minute)
		if rng.IntN(4) == 0 {
			w.mu.Lock()
			l.crash()
			w.mu.Unlock()
			<-l.done
			time.Sleep(time.Duration(rng.IntN(10)) * time.Minute) // it runs up costs meanwhile
			l = w.live(c)
		}
		if now := w.costAt(prices, time.Now()); g.Budget.Hour > 0 && now > g.Budget.Hour+1e-9 {
			t.Errorf("%v: instances of %.3f an hour run, budget.hour is %.3f", time.Now(), now, g.Budget.Hour)
		}
	}
	l.stop()
	minute := dearest / 60
	old, young := spent+w.costs(prices, began, end), w.costs(prices, end, time.Now())
	if old > g.Budget.Month+minute || young > g.Budget.Month+minute {
		t.Errorf("spent %.4f and then %.4f, budget.month is %.4f", old, young, g.Budget.Month)
	}
	return (g.Budget.Month - old) / (g.Budget.Month - spent)
}

// priceOf is what an hour of a machine costs.
func priceOf(prices map[string]float64, m *machine) float64 {
	if p, ok := prices[m.Type]; ok {
		return p
	}
	return prices[otherTypes]
}

// costAt is what an hour costs of all that is alive at a moment.
func (w *world) costAt(prices map[string]float64, at time.Time) (sum float64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range w.instances {
		if m.ended.IsZero() || m.ended.After(at) {
			sum += priceOf(prices, m)
		}
	}
	return sum
}

// costs is what all machines have cost in a stretch of time, as the cloud bills
// them.
func (w *world) costs(prices map[string]float64, from, to time.Time) (sum float64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, m := range w.instances {
		until := m.ended
		if until.IsZero() || until.After(to) {
			until = to
		}
		since := m.Launched
		if since.Before(from) {
			since = from
		}
		sum += max(until.Sub(since), 0).Hours() * priceOf(prices, m)
	}
	return sum
}
