package alerts

// A Class is what somebody would do upon an alert. What is right when readings
// are missing differs by it: a page too many costs sleep, an instance terminated
// by mistake costs users.
type Class uint8

// The classes.
const (
	Page Class = iota
	Launch
	Terminate
)

// An Answer is what an alert says to one class.
type Answer uint8

// The answers.
const (
	Quiet  Answer = iota // there is no problem
	Firing               // there is a hard problem
	Unsure               // that is not known: do nothing
)

func (a Answer) String() string {
	switch a {
	case Quiet:
		return "quiet"
	case Firing:
		return "firing"
	case Unsure:
	}
	return "unsure"
}

// MarshalText writes the answer's name.
func (a Answer) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// Answer is what a state says to a class. Paging goes by the hard status, in
// which [Policy.Missing] is contained. To the others a status of unknown says
// nothing, nor do missing readings unless [Policy.MissingLaunch] or
// MissingTerminate make something of them, from the first one on; and a state
// that flaps is no reason to terminate.
//
//	missing readings   unknown  Unsure        keep   as before they were missing
//	are                ok       Quiet         raise  Firing
func (p Policy) Answer(c Class, s State) Answer {
	missing := p.MissingLaunch
	switch {
	case c == Page:
		return firing(s.Hard)
	case c == Terminate && s.Flapping.Active:
		return Unsure
	case c == Terminate:
		missing = p.MissingTerminate
	}
	known := s.Hard
	switch {
	case s.Missing && missing == MissingOK:
		return Quiet
	case s.Missing && missing == MissingRaise:
		return Firing
	case s.Missing && missing == MissingKeep:
		known = s.Known
	case s.Missing:
		return Unsure
	}
	if known == Unknown {
		return Unsure
	}
	return firing(known)
}

func firing(hard Status) Answer {
	if hard == OK {
		return Quiet
	}
	return Firing
}
