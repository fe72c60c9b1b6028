package pages

import (
	"fmt"
	"strings"
	"time"
)

// A Fact is something that is so, and what it is called.
type Fact struct{ Name, Text string }

// AgentFacts are what the host's agent says of itself; none without one.
func (h HostRow) AgentFacts(now time.Time) []Fact {
	a := h.Agent
	if a == nil {
		return nil
	}
	facts := []Fact{
		{"Agent", a.Version + ", last contact " + ago(now, a.Seen)},
		{"Not sent yet", bytes(int64(min(a.Lag, 1<<62)))},
		{"Dropped or lost", fmt.Sprintf("%d since %s", a.Dropped, a.Started.Format(time.DateTime))},
	}
	if a.Profile != "" {
		facts = append(facts, Fact{"Profile", a.Profile})
	}
	if machine := strings.Join(strings.Fields(a.Type+" "+a.Zone+" "+a.Address), ", "); machine != "" {
		facts = append(facts, Fact{"Machine", machine})
	}
	return facts
}

// agentLag is from how many bytes that are not sent an agent lags behind.
const agentLag = 16 << 20

// AgentTrouble is what is wrong with the host's agent, or "".
func (h HostRow) AgentTrouble(now time.Time) string {
	a := h.Agent
	switch {
	case a == nil || !h.Withdrawn.IsZero():
		return ""
	case a.Conflict != "":
		return a.Conflict
	case now.Sub(a.Seen) > silentAfter:
		return "agent: last contact " + ago(now, a.Seen)
	case a.Dropped > 0: // messages, and files of which unread bytes were lost
		return fmt.Sprintf("agent: %d dropped or lost", a.Dropped)
	case a.Lag > agentLag:
		return "agent: " + bytes(int64(min(a.Lag, 1<<62))) + " not sent yet"
	}
	return ""
}
