package autoscale

import (
	"fmt"
)

// In a group of one, two or three that some are silent says nothing of our ears:
// it may be all of them, by chance. So others are listened for: hosts that are not
// of the group.
//
//	others that are known   heard    the silent one is
//	none                    -        replaced: the heir, once heard, proves that we hear
//	some                    most     replaced
//	some                    fewer    left alone: more likely our own ears
//
// The heir is launched beside the lost one, one above max if need be. A group
// that is single has never two at once: there the lost one is terminated, and is
// over as the cloud has it, before another is launched; so it must be known for
// certain to be lost: by others that are heard, or by the cloud's status check.

// Ears are how many hosts are known that are not of a group, and how many of
// these are heard.
type Ears struct {
	Known int `json:"known"`
	Heard int `json:"heard"`
}

// deaf says whether it is more likely us who do not hear.
func (e Ears) deaf() bool { return e.Known > 0 && 2*e.Heard <= e.Known }

// sure says whether others prove that we hear.
func (e Ears) sure() bool { return e.Known > 0 && !e.deaf() }

// isFew says whether the group is so small that its silence says nothing of our
// ears.
func (g Group) isFew() bool { return g.Max <= frozenMore }

// holdEars is what the others say about a group of few, of which some fell silent.
func (g Group) holdEars(in Input, fell int) []Guard {
	if !g.isFew() || fell == 0 || in.Ears.Known == 0 {
		return nil
	}
	if in.Ears.deaf() {
		return []Guard{blocked("frozen", "of %d hosts that are not of the group %d are heard: more likely our own ears, nothing changes until they are", in.Ears.Known, in.Ears.Heard)}
	}
	return []Guard{passed("frozen", "of %d hosts that are not of the group %d are heard", in.Ears.Known, in.Ears.Heard)}
}

// spare is how many may be launched above max while a lost one is replaced.
func (g Group) spare() int {
	if g.isFew() && !g.Single {
		return 1
	}
	return 0
}

// codeSingle is the code of a launch that waits for the one before to be over.
const codeSingle = "single"

// holdSingle keeps a group that is single from having two at once: none is
// launched before all others are over.
func (g Group) holdSingle(in Input) []Guard {
	if !g.Single {
		return nil
	}
	for _, i := range in.Instances {
		if i.Phase != Terminated && i.Phase != Stopped {
			return []Guard{blocked(codeSingle, "%s is %s, and there must never be two at once", i.ID, i.Phase)}
		}
	}
	return []Guard{passed(codeSingle, "none is left of those before")}
}

// replaceSingle decides about the lost instance of a group that is single.
func (g Group) replaceSingle(d Decision, in Input, c counts, l loss) Decision {
	if !in.Ears.sure() && l.Impaired.IsZero() {
		d.Reason += fmt.Sprintf("; %s, but no other host proves that we hear, nor does the cloud's status check fail: end it by hand", l.why)
		return d
	}
	return g.retireLost(d, in, c, l, "", l.why+", and there must never be two at once: it is terminated, then another is launched")
}

// A Listener is a [Fleet] that knows hosts that are in no group, or in others.
type Listener interface {
	// Others counts the expected hosts but for some, and of these the ones that
	// were heard of not longer ago than the group takes for silence.
	Others(but []string, g Group) Ears
}

// ears are the hosts that are not of the group. Callers hold g.mu.
func (g *group) ears() Ears {
	l, ok := g.fleet.(Listener)
	if !ok || !g.isFew() {
		return Ears{}
	}
	var own []string
	for _, i := range g.instances {
		own = append(own, hostNames(i)...)
	}
	return l.Others(own, g.Group)
}
