package main

import (
	"fmt"
	"testing"
	"time"
)

// TestStory plays the demo's story against a fleet that grows twelve seconds
// after it is asked to: the numbers of the published story must come out.
func TestStory(t *testing.T) {
	start := time.Unix(1_800_000_000, 0)
	c := newCrowd(start)
	fleet := func(n int) {
		for i := range 20 {
			if name := fmt.Sprint("web-", i); i < n {
				c.join(name)
			} else {
				c.leave(name)
			}
		}
	}
	fleet(2)
	var worst, calmest float64
	for s := range 150 {
		if s == 34 {
			fleet(14)
		}
		l := c.load(start.Add(time.Duration(s) * time.Second))
		switch {
		case s == 10 && l.runQueue > 1:
			t.Errorf("before the crowd: run queue %.1f", l.runQueue)
		case s < 40:
			worst = max(worst, l.runQueue)
		case s == 75:
			calmest = l.runQueue
		}
	}
	if worst != worstRunQueue {
		t.Errorf("worst run queue %.1f, want %.0f", worst, worstRunQueue)
	}
	if calmest > 4 {
		t.Errorf("fourteen servers leave a run queue of %.1f", calmest)
	}
	for n, below := range map[int]bool{6: true, 4: false} {
		fleet(n)
		c.waiting = 0
		if got := c.load(start.Add(150*time.Second)).runQueue < 0.5; got != below {
			t.Errorf("%d servers after the crowd: run queue below 0.5 is %v, want %v", n, got, below)
		}
	}
}
