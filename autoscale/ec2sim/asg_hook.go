package ec2sim

import (
	"slices"
	"time"
)

// The transitions that a lifecycle hook holds up.
const (
	hookLaunching   = "autoscaling:EC2_INSTANCE_LAUNCHING"
	hookTerminating = "autoscaling:EC2_INSTANCE_TERMINATING"
)

// A hook holds each instance up at a transition until someone completes it, or
// its time is over.
type hook struct {
	Name       string `xml:"LifecycleHookName"`
	Group      string `xml:"AutoScalingGroupName"`
	Transition string `xml:"LifecycleTransition"`
	Metadata   string `xml:"NotificationMetadata,omitempty"`
	Target     string `xml:"NotificationTargetARN,omitempty"`
	Role       string `xml:"RoleARN,omitempty"`
	Timeout    int    `xml:"HeartbeatTimeout"` // seconds
	Global     int    `xml:"GlobalTimeout"`    // seconds, heartbeats or not
	Default    string `xml:"DefaultResult"`
}

// A wait is one hook that holds one instance up.
type wait struct {
	hook     hook
	token    string
	deadline time.Time
	limit    time.Time // of all heartbeats
}

// What ends a wait.
const (
	resultContinue = "CONTINUE"
	resultAbandon  = "ABANDON"
)

// maxHooks is how many hooks a group may have.
const maxHooks = 50

// waits begins the waiting for all hooks of a transition.
func (g *group) waits(transition string, now time.Time) (out []*wait) {
	for _, h := range g.hooks {
		if h.Transition == transition {
			seconds := func(n int) time.Time { return now.Add(time.Duration(n) * time.Second) }
			out = append(out, &wait{*h, newRequestID(), seconds(h.Timeout), seconds(h.Global)})
		}
	}
	return out
}

// timeouts completes what nobody completed in time.
func (s *Sim) timeouts(g *group, m *member, now time.Time) {
	for _, w := range slices.Clone(m.waits) {
		if !now.Before(w.deadline) {
			s.complete(g, m, w, w.hook.Default, now)
		}
	}
}

// complete ends a wait. When a launch is abandoned the instance goes; when a
// termination is, the other hooks are not waited for.
func (s *Sim) complete(g *group, m *member, done *wait, result string, now time.Time) {
	m.waits = slices.DeleteFunc(m.waits, func(w *wait) bool { return w == done })
	switch {
	case result == resultAbandon && m.state == lifePendingWait:
		m.waits = nil
		m.activity.finish("Failed", "Instance failed to complete user's Lifecycle Action: Lifecycle Action with token "+done.token+" was abandoned: "+why(result, done, now), now)
		m.health, m.sick = unhealthy, "a lifecycle action that was abandoned"
	case result == resultAbandon:
		m.waits = nil
		s.endMember(m, lifeTerminatingProceed)
	case len(m.waits) > 0:
	case m.state == lifePendingWait:
		s.serve(g, m, now) // Pending:Proceed takes no time here
	default:
		s.endMember(m, lifeTerminatingProceed)
	}
}

func why(result string, w *wait, now time.Time) string {
	if now.Before(w.deadline) {
		return "Lifecycle Action Completed with " + result + " Result"
	}
	return "Heartbeat Timeout"
}

// putHook makes or changes the hook whose parameters have that prefix.
func (g *group) putHook(p params, prefix string) *apiError {
	h := &hook{Name: p.get(prefix + "LifecycleHookName"), Group: g.Name, Timeout: 3600, Default: resultAbandon}
	n := slices.IndexFunc(g.hooks, func(o *hook) bool { return o.Name == h.Name })
	if n >= 0 {
		*h = *g.hooks[n]
	}
	for at, name := range map[*string]string{
		&h.Transition: "LifecycleTransition", &h.Default: "DefaultResult", &h.Metadata: "NotificationMetadata", &h.Target: "NotificationTargetARN", &h.Role: "RoleARN",
	} {
		if v := p.get(prefix + name); v != "" {
			*at = v
		}
	}
	var err *apiError
	if h.Timeout, err = p.number(prefix+"HeartbeatTimeout", h.Timeout, 30, 7200); err != nil {
		return invalid("%s", err.message)
	}
	// Auto Scaling waits for 48 hours or 100 heartbeats, whichever is less.
	h.Global = min(48*3600, 100*h.Timeout)
	switch {
	case h.Name == "":
		return invalid("The request must contain the parameter LifecycleHookName")
	case h.Transition != hookLaunching && h.Transition != hookTerminating:
		return invalid("Lifecycle transition %q: want %s or %s", h.Transition, hookLaunching, hookTerminating)
	case h.Default != resultContinue && h.Default != resultAbandon:
		return invalid("Lifecycle default result %q: want CONTINUE or ABANDON", h.Default)
	case n < 0 && len(g.hooks) >= maxHooks:
		return apiErrorf("LimitExceeded", "You have reached the limit of %d lifecycle hooks.", maxHooks)
	case n < 0:
		g.hooks = append(g.hooks, h)
	default:
		g.hooks[n] = h
	}
	return nil
}

func (s *Sim) putLifecycleHook(p params, _ time.Time) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.groupOf(p)
	if err != nil {
		return nil, err
	}
	return struct{}{}, g.putHook(p, "")
}

func (s *Sim) deleteLifecycleHook(p params, _ time.Time) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.groupOf(p)
	if err != nil {
		return nil, err
	}
	name := p.get("LifecycleHookName")
	before := len(g.hooks)
	g.hooks = slices.DeleteFunc(g.hooks, func(h *hook) bool { return h.Name == name })
	if len(g.hooks) == before {
		return nil, invalid("No Lifecycle Hook found with name %s", name)
	}
	return struct{}{}, nil
}

type hooksResult struct {
	Items []*hook `xml:"LifecycleHooks>member"`
}

func (s *Sim) describeLifecycleHooks(p params, _ time.Time) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.groupOf(p)
	if err != nil {
		return nil, err
	}
	names := p.members("LifecycleHookNames")
	out := new(hooksResult)
	for _, h := range g.hooks {
		if len(names) == 0 || contains(names, h.Name) {
			c := *h
			out.Items = append(out.Items, &c)
		}
	}
	return out, nil
}

// waiting finds the wait that a request names by its hook and the instance or
// the token. Callers hold s.mu.
func (s *Sim) waiting(p params) (*group, *member, *wait, *apiError) {
	g, err := s.groupOf(p)
	if err != nil {
		return nil, nil, nil, err
	}
	id, token, name := p.get("InstanceId"), p.get("LifecycleActionToken"), p.get("LifecycleHookName")
	for _, m := range g.members {
		for _, w := range m.waits {
			if w.hook.Name == name && (m.id == id || token != "" && w.token == token) {
				return g, m, w, nil
			}
		}
	}
	if id == "" {
		return nil, nil, nil, invalid("No active Lifecycle Action found with token %s", token)
	}
	return nil, nil, nil, invalid("No active Lifecycle Action found with instance ID %s", id)
}

func (s *Sim) completeLifecycleAction(p params, now time.Time) (any, *apiError) {
	result := p.get("LifecycleActionResult")
	if result != resultContinue && result != resultAbandon {
		return nil, invalid("Lifecycle action result %q: want CONTINUE or ABANDON", result)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	g, m, w, err := s.waiting(p)
	if err != nil {
		return nil, err
	}
	s.complete(g, m, w, result, now)
	s.reconcile(g, now)
	return struct{}{}, nil
}

// recordHeartbeat gives a wait its whole time again, within the limit.
func (s *Sim) recordHeartbeat(p params, now time.Time) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _, w, err := s.waiting(p)
	if err != nil {
		return nil, err
	}
	w.deadline = now.Add(time.Duration(w.hook.Timeout) * time.Second)
	if w.deadline.After(w.limit) {
		w.deadline = w.limit
	}
	return struct{}{}, nil
}
