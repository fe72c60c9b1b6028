package autoscale

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A gate is a session whose cloud can be asked beforehand.
type gate struct {
	Cloud
	ask func(l Launch, ids []string) Preflight
}

func (g gate) Preflight(_ context.Context, l Launch, ids []string) Preflight { return g.ask(l, ids) }

// TestPreflights: a group that acts is asked for at its start, and again when a
// call is denied; commands are answered with what is new, and not more often
// than it helps.
func TestPreflights(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1000)
		w.setDemand(1)
		asked := make(chan Launch, 100)
		w.wrap = func(c Cloud) Cloud {
			return gate{c, func(l Launch, _ []string) Preflight {
				asked <- l
				return Preflight{Account: "1", Requirements: []Requirement{
					{Name: "ec2:RunInstances", State: Granted},
					{Name: "ec2:TerminateInstances", State: Refused, Policy: Allow("ec2:TerminateInstances", "*", "k", "v")},
				}}
			}}
		}
		l := w.live(web())
		defer l.stop()
		time.Sleep(time.Minute)
		v := l.Views()[0]
		if len(asked) != 1 || v.Preflight == nil || len(v.Preflight.Lacks()) != 1 {
			t.Errorf("at the start: asked %d times, %+v", len(asked), v.Preflight)
		}
		if first := <-asked; first.Template.Image != "ami-1" || first.Tags[TagGroup] != "web" || first.Count != 1 {
			t.Errorf("asked about %+v", first)
		}
		for range 3 {
			rec := httptest.NewRecorder()
			l.Commands().ServeHTTP(rec, httptest.NewRequest("POST", "/api/groups/web/check", nil))
			if !strings.Contains(rec.Body.String(), `"StringEquals": {`) {
				t.Errorf("%d %s", rec.Code, rec.Body)
			}
		}
		if len(asked) != 1 {
			t.Errorf("three commands at once asked %d times", len(asked))
		}
		time.Sleep(time.Minute)
		w.mu.Lock()
		w.faults = []fault{denied}
		w.mu.Unlock()
		w.setDemand(12)
		time.Sleep(time.Minute)
		if len(asked) != 2 || w.count() != 3 {
			t.Errorf("after a call was denied: asked %d times, %d instances", len(asked), w.count())
		}
	})
}

func TestNoPreflight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newWorld(t, 1000).live(web())
		defer l.stop()
		if _, err := l.Preflight(t.Context(), "web"); !errors.Is(err, ErrNoPreflight) {
			t.Error(err)
		}
		if _, err := l.Preflight(t.Context(), "db"); !errors.Is(err, ErrNoGroup) {
			t.Error(err)
		}
	})
}
