package alerts

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"rondo/rrd"
)

func matchers(t *testing.T, texts ...string) (ms []Matcher) {
	t.Helper()
	for _, s := range texts {
		m, err := ParseMatcher(s)
		if err != nil {
			t.Fatal(err)
		}
		ms = append(ms, m)
	}
	return ms
}

// TestAckSticky: a sticky acknowledgement mutes changes until the problem is
// over or it expires, over a restart; another one ends with the first change.
func TestAckSticky(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newRig(t)
		g.policy.Warning = &Threshold{Raise: 6, Clear: 5}
		all := matchers(t, "alertname=r")
		a := rrd.Labels{{Name: "host", Value: "a"}}
		g.rule.set("a=7")
		g.start()
		g.wait(3*time.Second, "ra ok>warning")
		if _, err := g.e.Ack(t.Context(), all, Ack{}); err != nil || g.e.MuteOf("r", a).Reason != Acknowledged {
			t.Fatal(err, "not acknowledged")
		}
		g.rule.set("a=11")
		g.wait(3*time.Second, "ra warning>critical") // the status is another
		if g.e.MuteOf("r", a).Muted() {
			t.Error("still acknowledged")
		}
		if _, err := g.e.Ack(t.Context(), all, Ack{Sticky: true, By: "ana"}); err != nil {
			t.Fatal(err)
		}
		g.rule.set("a=7")
		g.stop()
		g.start()
		g.wait(3*time.Second, "")
		if v := g.view("a"); v.Mute.Reason != Acknowledged || v.Mute.Cause != "acknowledged by ana" || v.Mute.Quiet() {
			t.Errorf("view: %+v", v)
		}
		g.rule.set("a=1")
		g.wait(3*time.Second, "ra critical>ok")
		g.rule.set("a=7")
		g.wait(3*time.Second, "ra ok>warning")
		if _, err := g.e.Ack(t.Context(), all, Ack{Sticky: true, Until: time.Now().Add(time.Minute)}); err != nil {
			t.Fatal(err)
		}
		g.rule.set("a=11")
		g.wait(50*time.Second, "")
		g.wait(20*time.Second, "ra warning>critical") // it has expired
		if g.view("a").Ack != nil || g.e.MuteOf("r", a).Muted() {
			t.Error("an expired acknowledgement is shown")
		}
		if _, err := g.e.Unack(t.Context(), matchers(t, "host=b")); !errors.Is(err, ErrNotFound) {
			t.Errorf("got %v, want ErrNotFound", err)
		}
		if n, err := g.e.Unack(t.Context(), all); n != 1 || err != nil || g.view("a").Ack != nil {
			t.Errorf("withdrew %d, %v", n, err)
		}
		if _, err := g.e.Ack(t.Context(), all, Ack{Until: time.Now()}); err == nil {
			t.Error("an acknowledgement that has already expired was taken")
		}
		g.stop()
	})
}
