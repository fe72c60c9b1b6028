package autoscale

// The guard rails, where they are, and the test that shows each. Their names are
// those of [Guard], and in the codes of decisions.
//
//	against                            name                          in           test
//	a metric that is missing, late,    missing (the plan's code):    reading.go   TestGuardMissing
//	  NaN, infinite, twice               capacity stays as it was    feed.go      TestGuardLateAndDuplicate
//	... that repeats itself            missing                       stuck.go     TestGuardFrozenMetric
//	our own ears                       frozen                        hold.go      TestGuardEars
//	... in a group of few              frozen, by other hosts        few.go       TestReplace, TestOneIsReplaced
//	two where there must be one        single                        few.go       TestOneIsReplaced
//	... as the alerts have it          vanished                      alarms.go    TestGuardVanished
//	oscillation                        cooldown, reversal, booting   hold.go      TestWant
//	runaway: a step                    max_step (cuts the plan)      want.go      TestWant
//	... launches within 10 minutes     max-launches                  runaway.go   TestGuardMaxLaunches
//	... images that never come up      overdue                       hold.go      TestGuardOverdue
//	... money                          budget-hour, budget-month     budget.go    TestGuardBudgetHour, TestGuardBudgetMonth, TestRandomBudgets
//	storms of retries                  backoff, in-flight, unclear   act.go       ec2: TestStorm
//	... calls that fail, in a row      backoff; View.Breakers        breaker.go   TestGuardBreaker
//	a clock that is set                clock                         clock.go     TestGuardClockJumps, TestGuardClockInThePast
//	a cloud that does not answer       blind                         observe.go   TestCrash
//	a list that lags                   (counts as capacity)          reconcile.go TestOneNeedOneLaunch
//	the same launch twice              unclear                       memory.go    TestOneNeedOneLaunch
//	orphans                            rondo group sweep             sweep.go     TestGuardOrphans
//	the wrong victim                   protected; read again         victims.go   TestGuardProtection, ec2: TestTerminateLooksAgain
//	two controllers                    two-controllers               owner.go     TestGuardTwoControllers
//	a data directory that is lost      two-controllers               owner.go     TestGuardLostDataDirectory
//	rash acts after a start            started                       hold.go      TestGuardRestart
//	drains that never end              (a deadline; launches go on)  drain.go     TestGuardDrainNeverBlocks
//	humans who know better             stopped, paused, veto         switches.go  TestGuardStopAll, TestGuardPaused, TestGuardVeto
//	a template that is no good         refresh-proving; back-out     refresh_step.go TestRefreshSteps, TestRandomRefreshes
//	a journal that is changed          stopped                       journal.go   TestBrokenChainStopsAll

import (
	"fmt"
	"strings"
)

func passed(name, format string, args ...any) Guard {
	return Guard{Name: name, Text: fmt.Sprintf(format, args...)}
}

func blocked(name, format string, args ...any) Guard {
	return Guard{Name: name, Text: fmt.Sprintf(format, args...), Blocks: true}
}

// hold notes the guard rails that a decision has met. Those that it did not
// pass keep it from being carried out. Where nothing was to change, those that
// passed say nothing.
func hold(d *Decision, met []Guard) {
	var texts, codes []string
	for _, g := range met {
		if g.Blocks {
			texts, codes = append(texts, g.Text), append(codes, g.Name)
		}
		if g.Blocks || d.Direction != Stay {
			d.Guards = append(d.Guards, g)
		}
	}
	if len(texts) == 0 {
		return
	}
	if d.Held != "" {
		texts = append([]string{d.Held}, texts...)
	}
	d.Held, d.Code = strings.Join(texts, "; "), strings.Join(append([]string{d.Code}, codes...), "+")
}
