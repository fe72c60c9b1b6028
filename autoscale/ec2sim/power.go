package ec2sim

import (
	"encoding/base64"
	"fmt"
	"time"
)

// startInstances starts instances that are stopped: a warm pool's.
func (s *Sim) startInstances(p params, now time.Time) (any, *apiError) {
	return s.turn(p, func(i *Instance) *apiError {
		switch i.State {
		case Stopped:
			if i.due = now.Add(s.opt.boots().draw(s.rand)); !i.Silent {
				s.poke()
			}
			i.State = Pending
		case Pending, Running:
		case Stopping, ShuttingDown, Terminated:
			return errState(i, "started")
		}
		return nil
	})
}

// stopInstances stops instances that run.
func (s *Sim) stopInstances(p params, now time.Time) (any, *apiError) {
	return s.turn(p, func(i *Instance) *apiError {
		switch i.State {
		case Pending, Running:
			i.State, i.due = Stopping, now.Add(s.opt.StopTime)
			s.halt(i)
		case Stopping, Stopped:
		case ShuttingDown, Terminated:
			return errState(i, "stopped")
		}
		return nil
	})
}

func errState(i *Instance, what string) *apiError {
	return apiErrorf("IncorrectInstanceState", "The instance '%s' is %s and cannot be %s.", i.ID, i.State, what)
}

// turn changes the states of the instances that a request names.
func (s *Sim) turn(p params, change func(*Instance) *apiError) (any, *apiError) {
	ids := p.list("InstanceId")
	if len(ids) == 0 {
		return nil, apiErrorf("MissingParameter", "The request must contain the parameter InstanceId")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.known(ids); err != nil {
		return nil, err
	}
	out := new(terminateResult)
	for _, id := range ids {
		i := s.instances[id]
		before := i.State
		if err := change(i); err != nil {
			return nil, err
		}
		out.Items = append(out.Items, changeItem{id, stateOf(i.State), stateOf(before)})
	}
	return out, nil
}

// one finds the one instance that a request names. Callers hold s.mu.
func (s *Sim) one(p params) (*Instance, *apiError) {
	id := p.get("InstanceId")
	if id == "" {
		return nil, apiErrorf("MissingParameter", "The request must contain the parameter InstanceId")
	}
	if err := s.known([]string{id}); err != nil {
		return nil, err
	}
	return s.instances[id], nil
}

// modifyAttribute changes disableApiTermination, or the type of an instance
// that is stopped.
func (s *Sim) modifyAttribute(p params, _ time.Time) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.one(p)
	if err != nil {
		return nil, err
	}
	keep, kind := p.get("DisableApiTermination.Value"), p.get("InstanceType.Value")
	switch {
	case keep == "" && kind == "":
		return nil, apiErrorf("InvalidParameterCombination", "The emulator changes disableApiTermination and instanceType only.")
	case kind != "" && i.State != Stopped:
		return nil, errState(i, "given another type")
	case kind != "":
		i.Type = kind
	}
	if keep != "" {
		i.Keep = keep == "true"
	}
	return &returnResult{Return: true}, nil
}

type flagItem struct {
	Value bool `xml:"value"`
}

type textItem struct {
	Value string `xml:"value,omitempty"`
}

type attributeResult struct {
	meta
	ID       string    `xml:"instanceId"`
	Keep     *flagItem `xml:"disableApiTermination"`
	Type     *textItem `xml:"instanceType"`
	UserData *textItem `xml:"userData"`
}

func (s *Sim) describeAttribute(p params, _ time.Time) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.one(p)
	if err != nil {
		return nil, err
	}
	out := &attributeResult{ID: i.ID}
	switch name := p.get("Attribute"); name {
	case "disableApiTermination":
		out.Keep = &flagItem{i.Keep}
	case "instanceType":
		out.Type = &textItem{i.Type}
	case "userData":
		out.UserData = &textItem{base64.StdEncoding.EncodeToString([]byte(i.UserData))}
	default:
		return nil, apiErrorf("InvalidParameterValue", "Value (%s) for parameter attribute is invalid: the emulator knows disableApiTermination, instanceType and userData.", name)
	}
	return out, nil
}

type consoleResult struct {
	meta
	ID     string `xml:"instanceId"`
	At     string `xml:"timestamp"`
	Output string `xml:"output"` // base64
}

// consoleOutput is what the machine said when it booted.
func (s *Sim) consoleOutput(p params, now time.Time) (any, *apiError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, err := s.one(p)
	if err != nil {
		return nil, err
	}
	text := ""
	if !i.Ran.IsZero() {
		text = fmt.Sprintf("[    0.000000] Linux version 6.12 (emulated)\n%s login: booted from %s at %s\n", i.Hostname(), i.Image, timestamp(i.Ran))
	}
	return &consoleResult{ID: i.ID, At: timestamp(now), Output: base64.StdEncoding.EncodeToString([]byte(text))}, nil
}
