package autoscale

import (
	"bufio"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The language of testdata/want.txt, one statement a line:
//
//	group min=2 max=14 out=4 for=3s add=enough|2|5:1,50:4 in=1 infor=10s remove=2
//	      cooldown=30s boot=12s stale=5s maxstep=20 mode=act
//	policy name=queue metric=q out=9 add=1 in=2     one more policy of the group
//	policy demand=350 shrink=10s, or queue=100, or rate=5 drain=1m shrink=10s
//	policy free=0.5:1.5 queues=q of=fleet add=1 shrink=10s, or votes=0.8:0.3 calm=1m add=2
//	hosts free 0.9 0.2x3 -    of each instance, here of h0 to h3, and not of h4
//	policy name=office cron=0_8_*_*_mon-fri zone=Europe/Vienna slot=10h floor=6 ceiling=9 cron=...
//	now 2026-03-02T08:00:00Z  before all else of an input
//	points 0.5x5 137 nan      one a second, the last one now
//	signal queue 0.5x5 nan    the same, of a policy's own metric
//	age 7s                    the last points so long ago instead
//	fleet 2 in-service 3 booting 1 draining 2 silent 1 overdue
//	seen 90s 0s               heartbeats of the fleet that follows, so old; the last one of all others
//	unsettled 2
//	last out 10s              the newest change and how long ago
//	watched 5s                default: a day
//	stopped text
//	want out 2 14 code        direction, from, to, code
//	why text
//	held text                 absent: acts
//	more text                 why not more
//	less text                 why not less
//	wish queue 3 steady why   what a policy wanted: to, code, reason
//
// A want line ends with its why, held, more, less and wish lines; then the input
// starts anew, but the group stays.
type wantScript struct {
	t     *testing.T
	line  int
	group Group
	in    Input
	got   *Decision
	held  bool
	why   bool
	seen  []string
	file  string
}

var scriptNow = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestWant(t *testing.T) {
	t.Parallel()
	runScript(t, "testdata/want.txt")
}

func TestWhy(t *testing.T) {
	t.Parallel()
	runScript(t, "testdata/why.txt")
}

func runScript(t *testing.T, file string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := &wantScript{t: t, file: file}
	s.reset()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		s.line++
		if text := strings.TrimSpace(lines.Text()); text != "" && text[0] != '#' {
			word, rest, _ := strings.Cut(text, " ")
			s.run(word, strings.TrimSpace(rest))
		}
	}
	s.finish()
}

func (s *wantScript) reset() {
	s.got, s.held, s.why, s.seen = nil, false, false, nil
	s.in = Input{Now: scriptNow, Started: scriptNow.Add(-24 * time.Hour), Signals: map[string]Signal{}}
}

// finish checks that a decision which no held line spoke of acts.
func (s *wantScript) finish() {
	if s.got != nil && !s.held && !s.why && s.got.Held != "" {
		s.t.Errorf("line %d: held by %q; want it to act", s.line, s.got.Held)
	}
}

func (s *wantScript) run(word, rest string) {
	if s.got != nil && !slices.Contains([]string{"why", "held", "more", "less", "wish"}, word) {
		s.finish()
		s.reset()
	}
	switch word {
	case "group":
		s.group = Group{Name: "web", Mode: Act, Metric: "m", Title: "run queue", Launch: Template{Image: "ami-1"}}
		s.parseGroup(rest)
	case "policy":
		s.group.Policies = append(s.group.Policies, s.policy(rest))
	case "now":
		now, err := time.Parse(time.RFC3339, rest)
		if err != nil {
			s.t.Fatalf("line %d: %v", s.line, err)
		}
		s.in.Now, s.in.Started = now, now.Add(-24*time.Hour)
	case "points":
		s.in.Points = s.points(rest)
	case "signal":
		name, points, _ := strings.Cut(rest, " ")
		signal := s.in.Signals[name]
		signal.Points = s.points(points)
		s.in.Signals[name] = signal
	case "hosts":
		name, values, _ := strings.Cut(rest, " ")
		signal := s.in.Signals[name]
		signal.Hosts = s.hosts(values)
		s.in.Signals[name] = signal
	case "age":
		for i := range s.in.Points {
			s.in.Points[i].Time = s.in.Points[i].Time.Add(-s.span(rest))
		}
	case "fleet":
		s.in.Instances = s.fleet(strings.Fields(rest))
	case "seen":
		s.seen = strings.Fields(rest)
	case "unsettled":
		s.in.Unsettled = s.num(rest)
	case "last":
		dir, ago, _ := strings.Cut(rest, " ")
		s.in.Last = Change{Direction(dir), s.in.Now.Add(-s.span(ago))}
	case "watched":
		s.in.Started = s.in.Now.Add(-s.span(rest))
	case "stopped":
		s.in.Stopped = rest
	case "want":
		g := s.group.WithDefaults()
		if err := g.Validate(); err != nil {
			s.t.Fatalf("line %d: %v", s.line, err)
		}
		s.tally(g)
		d := Want(g, s.in)
		s.got = &d
		s.equal(fmt.Sprintf("%s %d %d %s", d.Direction, d.From, d.To, d.Code), rest)
	case "why":
		s.equal(s.got.Reason, rest)
	case "more", "less":
		s.why = true
		more, less := why(s.group.WithDefaults(), s.in, *s.got, false, nil)
		s.equal(map[string]string{"more": more.Text, "less": less.Text}[word], rest)
	case "held":
		s.held = true
		s.equal(s.got.Held, rest)
	case "wish":
		s.wish(rest)
	default:
		s.t.Fatalf("line %d: %q is no statement", s.line, word)
	}
}

// hosts reads a value for each of h0, h1 and so on.
func (s *wantScript) hosts(text string) map[string]float64 {
	hosts, n := make(map[string]float64), 0
	for _, word := range strings.Fields(text) {
		value, times, repeated := strings.Cut(word, "x")
		count := 1
		if repeated {
			count = s.num(times)
		}
		for range count {
			if value != "-" {
				hosts[fmt.Sprintf("h%d", n)] = s.float(value)
			}
			n++
		}
	}
	return hosts
}

// tally adds the newest points of policies that look at hosts, or completes
// them, as the group does.
func (s *wantScript) tally(g Group) {
	for _, p := range g.All() {
		signal := s.in.Signals[p.Name]
		if !p.byHost() {
			continue
		}
		if n := len(signal.Points); n == 0 {
			signal.Points = []Point{{Time: s.in.Now}}
		}
		signal.Points[len(signal.Points)-1].Value = p.tally(g, s.in).point()
		s.in.Signals[p.Name] = signal
	}
}

func (s *wantScript) wish(rest string) {
	name, _, _ := strings.Cut(rest, " ")
	for _, w := range s.got.Policies {
		if w.Name == name {
			s.equal(fmt.Sprintf("%s %d %s %s", w.Name, w.To, w.Code, w.Reason), rest)
			return
		}
	}
	s.t.Errorf("testdata/want.txt:%d: no wish of %s", s.line, name)
}

func (s *wantScript) equal(got, want string) {
	if got != want {
		s.t.Errorf("%s:%d:\n got %s\nwant %s", s.file, s.line, got, want)
	}
}

func (s *wantScript) span(text string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil {
		s.t.Fatalf("line %d: %v", s.line, err)
	}
	return d
}

func (s *wantScript) num(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		s.t.Fatalf("line %d: %v", s.line, err)
	}
	return n
}

func (s *wantScript) float(text string) float64 {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		s.t.Fatalf("line %d: %v", s.line, err)
	}
	return v
}

func (s *wantScript) points(text string) (out []Point) {
	for _, word := range strings.Fields(text) {
		value, times, repeated := strings.Cut(word, "x")
		n := 1
		if repeated {
			n = s.num(times)
		}
		for range n {
			out = append(out, Point{Value: s.float(value)})
		}
	}
	for i := range out {
		out[i].Time = s.in.Now.Add(-time.Duration(len(out)-1-i) * time.Second)
	}
	return out
}

func (s *wantScript) fleet(words []string) (out []Instance) {
	for i := 0; i+1 < len(words); i += 2 {
		phase, seen := Phase(words[i+1]), s.in.Now.Add(-time.Hour)
		if phase == "overdue" {
			phase, seen = Silent, time.Time{}
		}
		for range s.num(words[i]) {
			if n := len(s.seen); n > 0 {
				seen = s.in.Now.Add(-s.span(s.seen[min(len(out), n-1)]))
			}
			out = append(out, Instance{ID: fmt.Sprintf("i-%d", len(out)), Host: fmt.Sprintf("h%d", len(out)), Phase: phase, LastSeen: seen})
		}
	}
	return out
}

func (s *wantScript) amount(text string) (a Amount) {
	if err := a.UnmarshalText([]byte(text)); err != nil {
		s.t.Fatalf("line %d: %v", s.line, err)
	}
	return a
}

func (s *wantScript) parseGroup(text string) {
	g := &s.group
	durations := map[string]*time.Duration{"cooldown": &g.Cooldown, "boot": &g.Boot, "stale": &g.Stale}
	numbers := map[string]*int{"min": &g.Min, "max": &g.Max, "maxstep": &g.MaxStep}
	var own []string
	for _, word := range strings.Fields(text) {
		key, value, _ := strings.Cut(word, "=")
		switch {
		case durations[key] != nil:
			*durations[key] = s.span(value)
		case numbers[key] != nil:
			*numbers[key] = s.num(value)
		case key == "mode":
			g.Mode = Mode(value)
		default:
			own = append(own, word)
		}
	}
	p := s.policy(strings.Join(own, " "))
	g.Out, g.In, g.Track = p.Out, p.In, p.Track
}

func (s *wantScript) policy(text string) (p Policy) {
	for _, word := range strings.Fields(text) {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "name":
			p.Name = value
		case "metric":
			p.Metric = value
		case "for":
			switch p.Kind() {
			case ByFree:
				p.Free.For = s.span(value)
			case ByVotes:
				p.Votes.For = s.span(value)
			default:
				p.Out.For = s.span(value)
			}
		case "infor":
			p.In.For = s.span(value)
		case "out":
			p.Out.Above = s.float(value)
		case "in":
			p.In.Below = s.float(value)
		case "remove":
			p.In.Remove = s.amount(value)
		case "add":
			switch p.Kind() {
			case ByFree:
				p.Free.Add = s.amount(value)
			case ByVotes:
				p.Votes.Add = s.amount(value)
			default:
				p.Out.Add, p.Out.Steps = s.add(value)
			}
		case "demand":
			p.Demand = &DemandPolicy{Per: s.float(value)}
		case "queue":
			p.Queue = &QueuePolicy{Per: s.float(value)}
		case "rate":
			p.Queue = &QueuePolicy{Rate: s.float(value), Arrival: "arrival"}
		case "drain":
			p.Queue.Drain = s.span(value)
		case "free":
			p.Free = &FreePolicy{}
			p.Free.Below, p.Free.Above = s.pair(value)
		case "queues":
			p.Free.RunQueue = value
		case "of":
			p.Free.Of = value
		case "votes":
			p.Votes = &VotesPolicy{}
			p.Votes.Above, p.Votes.Below = s.pair(value)
		case "calm":
			p.Votes.Calm = s.span(value)
		case "shrink":
			*p.shrink() = s.span(value)
		case "track":
			p.Track = &TrackPolicy{Use: s.float(value), Step: time.Second}
		default:
			if !s.slot(&p, key, value) {
				s.t.Fatalf("line %d: %q", s.line, word)
			}
		}
	}
	return p
}

// slot reads what belongs to the newest slot of a schedule.
func (s *wantScript) slot(p *Policy, key, value string) bool {
	if key == "cron" {
		p.Schedule = append(p.Schedule, Slot{})
	}
	if len(p.Schedule) == 0 {
		return false
	}
	slot, err := &p.Schedule[len(p.Schedule)-1], error(nil)
	switch key {
	case "cron":
		err = slot.Cron.UnmarshalText([]byte(strings.ReplaceAll(value, "_", " ")))
	case "zone":
		err = slot.Timezone.UnmarshalText([]byte(value))
	case "slot":
		slot.For = s.span(value)
	case "floor":
		slot.Min = s.num(value)
	case "ceiling":
		slot.Max = s.num(value)
	default:
		return false
	}
	if err != nil {
		s.t.Fatalf("line %d: %v", s.line, err)
	}
	return true
}

func (s *wantScript) pair(text string) (a, b float64) {
	first, second, _ := strings.Cut(text, ":")
	return s.float(first), s.float(second)
}

// shrink is where a policy has its ShrinkAfter.
func (p *Policy) shrink() *time.Duration {
	switch p.Kind() {
	case ByDemand:
		return &p.Demand.ShrinkAfter
	case ByQueue:
		return &p.Queue.ShrinkAfter
	case ByFree:
		return &p.Free.ShrinkAfter
	case ByVotes:
		return &p.Votes.ShrinkAfter
	}
	return &p.In.For
}

// add reads an amount, or steps such as 5:1,50:4.
func (s *wantScript) add(text string) (a Amount, steps []Step) {
	if !strings.Contains(text, ":") {
		return s.amount(text), nil
	}
	for _, step := range strings.Split(text, ",") {
		above, add, _ := strings.Cut(step, ":")
		steps = append(steps, Step{s.float(above), s.amount(add)})
	}
	return 0, steps
}

func BenchmarkWant(b *testing.B) {
	s := &wantScript{in: Input{Now: scriptNow}}
	g := Group{Name: "web", Mode: Act, Min: 2, Max: 500, Out: OutPolicy{Above: 4, For: time.Minute, Add: Enough}, In: InPolicy{Below: 1, For: 10 * time.Minute, Remove: 1}}.WithDefaults()
	in := Input{Now: scriptNow, Started: scriptNow.Add(-time.Hour), Instances: s.fleet([]string{"400", "in-service", "20", "booting"})}
	for i := range 720 {
		in.Points = append(in.Points, Point{Time: scriptNow.Add(time.Duration(i-719) * time.Second), Value: 3 + math.Sin(float64(i))})
	}
	b.ReportAllocs()
	for b.Loop() {
		Want(g, in)
	}
}
