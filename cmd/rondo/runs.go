package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"rondo/autoscale"
	"rondo/autoscale/fanout"
	"rondo/autoscale/hooks"
	"rondo/autoscale/roster"
)

// maxRuns bounds the commands that people have run at one time.
const maxRuns = 4

// runs runs commands of the configuration by name. No request says what is run:
// it names a command, a group, and at most some of its members.
type runs struct {
	s      *server
	places chan struct{}
}

// A runRequest is what POST /api/commands/NAME asks for.
type runRequest struct {
	group  string
	by     string
	job    fanout.Job
	hosts  []fanout.Host
	limits fanout.Limits
	view   roster.View
	groups *autoscale.Controller // that keeps the journal of the group
}

// A runLine is a line of the answer: a result, or at the end how it went.
type runLine struct {
	*fanout.Result
	Failed *int `json:"failed,omitempty"` // the end: of so many
	Of     int  `json:"of,omitempty"`
}

// ServeHTTP answers with a line of JSON for each host as it comes, and one at
// the end. Who goes away cancels what is under way.
func (x *runs) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case x.places <- struct{}{}:
		defer func() { <-x.places }()
	default:
		w.Header().Set("Retry-After", "10")
		refuse(w, http.StatusServiceUnavailable, fmt.Errorf("%d commands are running already", maxRuns))
		return
	}
	q, status, err := x.request(r)
	if err != nil {
		refuse(w, status, err)
		return
	}
	what := fmt.Sprintf("command %s on %d of %s", q.job.Config.Name, len(q.hosts), q.group)
	if err := q.groups.NoteRun(r.Context(), q.group, q.by, what); err != nil { // before anything is done
		refuse(w, http.StatusServiceUnavailable, err)
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	lines := json.NewEncoder(w)
	failed := 0
	q.job.Run(r.Context(), q.hosts, q.limits, q.message().Tell, func(result fanout.Result) {
		if !result.OK() {
			failed++
		}
		_ = lines.Encode(runLine{Result: &result}) // who is gone has cancelled it
		_ = http.NewResponseController(w).Flush()
	})
	if err := q.groups.NoteRun(context.WithoutCancel(r.Context()), q.group, q.by, fmt.Sprintf("%s: %d failed", what, failed)); err != nil {
		x.s.log.Error("how a command went is not in the journal", "command", q.job.Config.Name, "group", q.group, "err", err)
	}
	_ = lines.Encode(runLine{Failed: &failed, Of: len(q.hosts)})
}

func refuse(w http.ResponseWriter, status int, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": err.Error()}) // the asker has gone
}

// request reads what is asked for.
func (x *runs) request(r *http.Request) (q runRequest, status int, err error) {
	p := x.s.parts.Load()
	values := r.URL.Query()
	var ok bool
	if q.job, ok = p.jobs[r.PathValue("name")]; !ok {
		return q, http.StatusNotFound, fmt.Errorf("there is no command %q (autoscale: commands)%s", r.PathValue("name"), suggest(r.PathValue("name"), slices.Collect(maps.Keys(p.jobs))))
	}
	q.group, q.by, q.view, q.groups = values.Get("group"), values.Get("by"), x.s.roster.View().Of(values.Get("group")), p.controller
	if !slices.Contains(p.conf.groupNames(), q.group) {
		return q, http.StatusNotFound, fmt.Errorf("%w %q", autoscale.ErrNoGroup, q.group)
	}
	if q.hosts, err = hostsOf(q.view.Members, values["host"]); err != nil {
		return q, http.StatusNotFound, fmt.Errorf("group %s: %w", q.group, err)
	}
	q.limits, err = limitsOf(q.job.Config.Limits(), values)
	return q, http.StatusBadRequest, err
}

// message is what the command is told.
func (q runRequest) message() hooks.Message {
	return hooks.Message{Event: "run", Key: fmt.Sprintf("run-%d", time.Now().UnixNano()), Version: q.view.Version, Member: roster.Member{Group: q.group}, Members: q.view.Members}
}

// hostsOf are the members that a command is run for: those that serve, or the
// ones that are named.
func hostsOf(all []roster.Member, names []string) (hosts []fanout.Host, err error) {
	unknown := slices.Clone(names)
	for _, m := range all {
		is := func(n string) bool { return n != "" && slices.Contains(m.Names(), n) }
		if len(names) == 0 && m.Serves() || slices.ContainsFunc(names, is) {
			hosts = append(hosts, hooks.HostOf(m))
		}
		unknown = slices.DeleteFunc(unknown, is)
	}
	if len(unknown) > 0 {
		return nil, errors.New("no member is called " + strings.Join(unknown, ", "))
	}
	return hosts, nil
}

// limitsOf are the limits of a command, or what a request says in their place.
func limitsOf(l fanout.Limits, q url.Values) (fanout.Limits, error) {
	var own fanout.Limits
	number := func(name string, into *int) (err error) {
		if text := q.Get(name); text != "" {
			if *into, err = strconv.Atoi(text); err != nil {
				return fmt.Errorf("%s: %q: want a number", name, text)
			}
		}
		return nil
	}
	err := errors.Join(number("at_once", &own.AtOnce), number("stop_after", &own.StopAfter))
	for name, into := range map[string]*time.Duration{"timeout": &own.Timeout, "all": &own.All} {
		if text := q.Get(name); text != "" && err == nil {
			*into, err = time.ParseDuration(text)
		}
	}
	if err = errors.Join(err, own.Validate()); err != nil {
		return l, err
	}
	l.AtOnce, l.StopAfter, l.Timeout = cmp.Or(own.AtOnce, l.AtOnce), cmp.Or(own.StopAfter, l.StopAfter), cmp.Or(own.Timeout, l.Timeout)
	l.All = own.All
	return l, nil
}

// A commandView is a command as people see it: not what it runs with.
type commandView struct {
	Name string   `json:"name"`
	Over string   `json:"over"`
	Run  []string `json:"run,omitempty"`
}

func (s *server) commandList(*http.Request, url.Values) (any, error) {
	all := []commandView{}
	for _, c := range s.parts.Load().conf.Autoscale.Management.Commands {
		all = append(all, commandView{c.Name, c.Where(), c.Run})
	}
	return all, nil
}
