package ec2sim

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Command is what SendCommand asks one instance to run.
type Command struct {
	ID         string              `json:"id"`
	Instance   string              `json:"instance"`
	Document   string              `json:"document"` // such as AWS-RunShellScript
	Parameters map[string][]string `json:"parameters,omitempty"`
	Sent       time.Time           `json:"sent"`
	Status     string              `json:"status"` // Pending, InProgress, Success, Failed, Cancelled or TimedOut
	Code       int                 `json:"code"`   // of the exit
	Output     string              `json:"output,omitempty"`
	Error      string              `json:"error,omitempty"`

	comment string
	timeout time.Duration
	ended   time.Time
	stop    context.CancelFunc // ends it while it runs
}

// Limits of commands; those of the output and of the IDs are AWS's.
const (
	maxCommands  = 2000
	maxOutput    = 24_000 // characters
	maxInstances = 50     // of one SendCommand
)

func ssmActions() map[string]action {
	return map[string]action{
		"SendCommand":            (*Sim).sendCommand,
		"CancelCommand":          (*Sim).cancelCommand,
		"GetCommandInvocation":   (*Sim).commandInvocation,
		"ListCommandInvocations": (*Sim).commandInvocations,
		"GetParameter":           (*Sim).getParameter,
		"GetParameters":          (*Sim).getParameters,
		"GetParametersByPath":    (*Sim).parametersByPath,
		"PutParameter":           (*Sim).putParameter,
	}
}

// decode reads a JSON service's request.
func (p params) decode(into any) *apiError {
	if len(p.body) == 0 {
		return nil
	}
	if err := json.Unmarshal(p.body, into); err != nil {
		return apiErrorf("SerializationException", "%v", err)
	}
	return nil
}

// epoch is how a JSON service writes times.
func epoch(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

type commandItem struct {
	ID         string `json:"CommandId"`
	Document   string `json:"DocumentName"`
	Comment    string
	Parameters map[string][]string
	IDs        []string `json:"InstanceIds"`
	Sent       float64  `json:"RequestedDateTime"`
	Expires    float64  `json:"ExpiresAfter"`
	Status     string
	Details    string `json:"StatusDetails"`
	Targets    int    `json:"TargetCount"`
	Timeout    int    `json:"TimeoutSeconds"`
}

type sendResult struct {
	Command commandItem
}

// sendCommand lets the owner's Command function run something in the place of
// each instance.
func (s *Sim) sendCommand(p params, now time.Time) (any, *apiError) {
	in := struct {
		InstanceIDs []string `json:"InstanceIds"`
		Targets     []struct {
			Key    string
			Values []string
		}
		DocumentName, Comment string
		Parameters            map[string][]string
		TimeoutSeconds        int
	}{TimeoutSeconds: 3600}
	if err := p.decode(&in); err != nil {
		return nil, err
	}
	switch {
	case in.DocumentName == "":
		return nil, apiErrorf("InvalidDocument", "The document name is wanted.")
	case in.TimeoutSeconds < 30 || in.TimeoutSeconds > 2592000:
		return nil, apiErrorf("ValidationException", "TimeoutSeconds wants 30 to 2592000.")
	case len(in.InstanceIDs) > maxInstances:
		return nil, apiErrorf("ValidationException", "A request may name %d instances.", maxInstances)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := slices.Clone(in.InstanceIDs)
	for _, t := range in.Targets {
		ids = append(ids, s.targeted(t.Key, t.Values)...)
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	if err := s.manageable(in.InstanceIDs); err != nil {
		return nil, err
	}
	if len(ids) == 0 || !s.forgetCommands(len(ids)) {
		return nil, apiErrorf("InvalidInstanceId", "There is no instance to send the command to, or there are %d commands already.", maxCommands)
	}
	command := newRequestID()
	timeout := time.Duration(in.TimeoutSeconds) * time.Second
	if of := in.Parameters["executionTimeout"]; len(of) == 1 {
		if seconds, err := strconv.Atoi(of[0]); err == nil && seconds > 0 {
			timeout = time.Duration(seconds) * time.Second
		}
	}
	for _, id := range ids {
		s.commands = append(s.commands, &Command{
			ID: command, Instance: id, Document: in.DocumentName, Parameters: in.Parameters, Sent: now, Status: "Pending", comment: in.Comment, timeout: timeout,
		})
	}
	s.poke()
	return &sendResult{commandItem{
		command, in.DocumentName, in.Comment, in.Parameters, in.InstanceIDs, epoch(now), epoch(now.Add(timeout)), "Pending", "Pending", len(ids), in.TimeoutSeconds,
	}}, nil
}

// targeted are the instances that a target names: by InstanceIds, tag:KEY or
// tag-key. Callers hold s.mu.
func (s *Sim) targeted(key string, values []string) (out []string) {
	name := key
	if strings.EqualFold(key, "InstanceIds") {
		name = "instance-id"
	}
	for _, id := range s.order {
		if i := s.instances[id]; i.State == Running && !i.Silent && matches([]filter{{name, values}}, i.field) {
			out = append(out, id)
		}
	}
	return out
}

// manageable refuses instances whose agent would not answer. Callers hold s.mu.
func (s *Sim) manageable(ids []string) *apiError {
	for _, id := range ids {
		if i := s.instances[id]; i == nil || i.State != Running || i.Silent {
			return apiErrorf("InvalidInstanceId", "Instances [[%s]] not in a valid state for account %s", id, owner)
		}
	}
	return nil
}

// forgetCommands makes room for n commands, of those that have ended.
func (s *Sim) forgetCommands(n int) bool {
	for len(s.commands)+n > maxCommands {
		old := slices.IndexFunc(s.commands, func(c *Command) bool { return !c.ended.IsZero() })
		if old < 0 {
			return false
		}
		s.commands = slices.Delete(s.commands, old, old+1)
	}
	return true
}

// begin returns the commands that are to begin.
func (s *Sim) begin() (out []*Command) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.commands {
		if c.Status == "Pending" {
			c.Status = "InProgress"
			out = append(out, c)
		}
	}
	return out
}

// execute runs one command to its end.
func (s *Sim) execute(ctx context.Context, c *Command) {
	s.mu.Lock()
	asked := *c
	var on Instance
	if i := s.instances[c.Instance]; i != nil {
		on = i.copy()
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	if c.stop = cancel; c.Status == "Cancelled" {
		cancel()
	}
	s.mu.Unlock()
	code, output, complaint := 0, "", ""
	if s.opt.Command != nil {
		code, output, complaint = s.opt.Command(ctx, on, asked)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c.Code, c.Output, c.Error, c.ended = code, output[:min(len(output), maxOutput)], complaint[:min(len(complaint), maxOutput)], time.Now()
	switch {
	case c.Status == "Cancelled":
	case ctx.Err() != nil:
		c.Status = "TimedOut"
	case code != 0:
		c.Status = "Failed"
	default:
		c.Status = "Success"
	}
}

// Commands returns what SendCommand was asked for, by time.
func (s *Sim) Commands() []Command {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Command, 0, len(s.commands))
	for _, c := range s.commands {
		out = append(out, *c)
	}
	return out
}

type invocationResult struct {
	ID       string `json:"CommandId"`
	Instance string `json:"InstanceId"`
	Comment  string
	Document string `json:"DocumentName"`
	Plugin   string `json:"PluginName"`
	Code     int    `json:"ResponseCode"`
	Started  string `json:"ExecutionStartDateTime"`
	Ended    string `json:"ExecutionEndDateTime"`
	Status   string
	Details  string `json:"StatusDetails"`
	Output   string `json:"StandardOutputContent"`
	Error    string `json:"StandardErrorContent"`
}

// An invocationQuery asks for a command on an instance.
type invocationQuery struct {
	ID       string `json:"CommandId"`
	Instance string `json:"InstanceId"`
	Details  bool
	Max      int    `json:"MaxResults"`
	Next     string `json:"NextToken"`
}

func (s *Sim) commandInvocation(p params, _ time.Time) (any, *apiError) {
	var in invocationQuery
	if err := p.decode(&in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.commands {
		if c.ID == in.ID && c.Instance == in.Instance {
			out := &invocationResult{c.ID, c.Instance, c.comment, c.Document, "aws:runShellScript", c.Code, timestamp(c.Sent), "", c.Status, c.Status, c.Output, c.Error}
			if c.ended.IsZero() {
				out.Code = -1
			} else {
				out.Ended = timestamp(c.ended)
			}
			return out, nil
		}
	}
	return nil, apiErrorf("InvocationDoesNotExist", "The command ID and instance ID you specified did not match any invocations.")
}

type invocationItem struct {
	ID       string  `json:"CommandId"`
	Instance string  `json:"InstanceId"`
	Comment  string  `json:"Comment"`
	Document string  `json:"DocumentName"`
	Sent     float64 `json:"RequestedDateTime"`
	Status   string
	Details  string       `json:"StatusDetails"`
	Plugins  []pluginItem `json:"CommandPlugins,omitempty"`
}

// A pluginItem is the one step that a command has.
type pluginItem struct {
	Name    string
	Status  string
	Details string `json:"StatusDetails"`
	Code    int    `json:"ResponseCode"`
	Output  string
}

// maxHead is how much of the output a list shows, in characters.
const maxHead = 2500

func (c *Command) plugins() []pluginItem {
	out := c.Output
	if c.Error != "" {
		out += "\n----------ERROR-------\n" + c.Error
	}
	code := c.Code
	if c.ended.IsZero() {
		code = -1
	}
	return []pluginItem{{"aws:runShellScript", c.Status, c.Status, code, out[:min(len(out), maxHead)]}}
}

type invocationsResult struct {
	Items []invocationItem `json:"CommandInvocations"`
	Next  string           `json:"NextToken,omitempty"`
}

// cancelCommand ends a command where it has not ended, on all instances or on
// those that are named.
func (s *Sim) cancelCommand(p params, now time.Time) (any, *apiError) {
	in := struct {
		ID        string   `json:"CommandId"`
		Instances []string `json:"InstanceIds"`
	}{}
	if err := p.decode(&in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found := false
	for _, c := range s.commands {
		if c.ID != in.ID {
			continue
		}
		if found = true; !c.ended.IsZero() || len(in.Instances) > 0 && !slices.Contains(in.Instances, c.Instance) {
			continue
		}
		if c.Status == "Pending" {
			c.ended = now
		}
		if c.Status = "Cancelled"; c.stop != nil {
			c.stop()
		}
	}
	if !found {
		return nil, apiErrorf("InvalidCommandId", "The command ID is not valid.")
	}
	return struct{}{}, nil
}

func (s *Sim) commandInvocations(p params, _ time.Time) (any, *apiError) {
	var in invocationQuery
	if err := p.decode(&in); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out := &invocationsResult{Items: []invocationItem{}}
	skip, _ := strconv.Atoi(in.Next)
	for n, c := range s.commands {
		if n < skip || in.ID != "" && in.ID != c.ID || in.Instance != "" && in.Instance != c.Instance {
			continue
		}
		if in.Max > 0 && len(out.Items) == in.Max {
			out.Next = strconv.Itoa(n)
			break
		}
		item := invocationItem{ID: c.ID, Instance: c.Instance, Comment: c.comment, Document: c.Document, Sent: epoch(c.Sent), Status: c.Status, Details: c.Status}
		if in.Details {
			item.Plugins = c.plugins()
		}
		out.Items = append(out.Items, item)
	}
	return out, nil
}
