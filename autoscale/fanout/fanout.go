package fanout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode"
)

// MaxOutput bounds what is kept of a command's output, in bytes: of standard
// output and standard error together, as they came.
const MaxOutput = 4 << 10

// Bounds of a run over many.
const (
	DefaultAtOnce  = 10
	DefaultTimeout = time.Minute
	MaxTimeout     = time.Hour
	maxAtOnce      = 256
)

// A Host is an instance that a command is run for.
type Host struct {
	ID      string `json:"id"` // the instance's: i-...
	Group   string `json:"group"`
	Alias   string `json:"alias,omitempty"` // such as web-1
	Name    string `json:"name,omitempty"`  // under which it reports
	Address string `json:"address"`         // where it is reached
}

// Label is what people call the host.
func (h Host) Label() string { return cmp.Or(h.Alias, h.Name, h.ID) }

// A Command is what is run. Commands of one configuration differ from host to
// host in what they are told only.
type Command struct {
	Name  string   // as configured
	Argv  []string // program and arguments; a webhook has none
	Env   []string // NAME=value, what it is about; no secret is among them
	Input []byte   // JSON for its standard input, or a webhook's body; may be nil
	Key   string   // the same for each repetition of the same run: who sees it twice may leave it out
}

// Shell is the command as a line for a POSIX shell: variables, then each word
// in quotes, so that the shell finds nothing in them.
func (c Command) Shell() string {
	var b strings.Builder
	for _, v := range c.Env {
		name, value, _ := strings.Cut(v, "=")
		b.WriteString(name + "=" + quote(value) + " ")
	}
	for i, w := range c.Argv {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(quote(w))
	}
	return b.String()
}

// quote keeps a shell from finding anything in a word.
func quote(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }

// A Result is how a command went for one host.
type Result struct {
	Host   Host          `json:"host"`
	Exit   int           `json:"exit"`             // -1: there is no exit code, see Error
	Output string        `json:"output,omitempty"` // its head: see MaxOutput
	Cut    bool          `json:"cut,omitempty"`    // there was more of it
	Error  string        `json:"error,omitempty"`  // why there is no exit code
	Began  time.Time     `json:"began,omitzero"`   // zero: it was not begun
	Took   time.Duration `json:"took_ns,omitempty"`
}

// OK says whether the command did what it was to do.
func (r Result) OK() bool { return r.Exit == 0 && r.Error == "" }

// Said is how it went, in a line: the error or exit code, and what the command
// printed first.
func (r Result) Said() string {
	line, _, _ := strings.Cut(r.Output, "\n")
	switch {
	case r.Error != "" && line != "":
		return r.Error + ": " + line
	case r.Error != "":
		return r.Error
	case r.Exit != 0:
		return strings.TrimSuffix(fmt.Sprintf("exit %d: %s", r.Exit, line), ": ")
	}
	return line
}

// Failed is the result of what did not come to an exit code.
func Failed(h Host, err error) Result { return Result{Host: h, Exit: -1, Error: oneLine(err.Error())} }

// Exited is the result of what did. Output is cut and made printable.
func Exited(h Host, code int, output string) Result {
	r := Result{Host: h, Exit: code}
	r.Output, r.Cut = Head(output)
	return r
}

// Head is as much of an output as is kept, without what moves a terminal's
// cursor.
func Head(output string) (head string, cut bool) {
	if cut = len(output) > MaxOutput; cut {
		output = output[:MaxOutput]
	}
	clean := strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r == '\r':
			return -1
		case unicode.IsControl(r):
			return '?'
		}
		return r
	}, strings.ToValidUTF8(output, "?"))
	return strings.TrimRight(clean, "\n"), cut
}

func oneLine(s string) string {
	head, _ := Head(s)
	return strings.Join(strings.Fields(head), " ")
}

// A Runner runs a command for one host, and returns when that is over or ctx
// has ended: then nothing of it is left running where the runner can help it.
// It is safe for concurrent use. Began and Took are filled in by [Run].
type Runner interface {
	Run(ctx context.Context, h Host, c Command) Result
}

// Limits bound a run over many hosts. The zero value means the defaults.
type Limits struct {
	AtOnce    int           // hosts at a time; default DefaultAtOnce
	Timeout   time.Duration // for each; default DefaultTimeout
	All       time.Duration // for all together; 0: as long as each may take
	StopAfter int           // begin no more after so many failures; 0: never
}

func (l Limits) withDefaults() Limits {
	l.AtOnce = min(cmp.Or(l.AtOnce, DefaultAtOnce), maxAtOnce)
	l.Timeout = min(cmp.Or(l.Timeout, DefaultTimeout), MaxTimeout)
	return l
}

// Why a host's command was not begun.
var (
	errStopped  = errors.New("not begun: too many have failed before")
	errNoTime   = errors.New("not begun: the time for all is up")
	errCanceled = errors.New("not begun: it was cancelled")
)

// Run runs a command for each host, and returns their results in the same
// order. What is to be run for a host comes from command. Each result is also
// given to done as it comes, one at a time; done may be nil.
func Run(ctx context.Context, hosts []Host, l Limits, r Runner, command func(Host) Command, done func(Result)) []Result {
	l = l.withDefaults()
	whole, cancel := ctx, context.CancelFunc(func() {})
	if l.All > 0 {
		whole, cancel = context.WithTimeout(ctx, l.All)
	}
	defer cancel()
	f := &run{Limits: l, results: make([]Result, len(hosts)), done: done}
	slots := make(chan struct{}, l.AtOnce)
	var wait sync.WaitGroup
	for i, h := range hosts {
		if err := f.place(ctx, whole, slots); err != nil {
			f.settle(i, Failed(h, err))
			continue
		}
		wait.Go(func() {
			defer func() { <-slots }()
			f.settle(i, one(whole, h, l.Timeout, r, command(h)))
		})
	}
	wait.Wait()
	return f.results
}

// one runs a command for one host within its time.
func one(ctx context.Context, h Host, timeout time.Duration, r Runner, c Command) Result {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	began := time.Now()
	result := r.Run(ctx, h, c)
	result.Began, result.Took = began, time.Since(began)
	if result.Error != "" && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		result.Error = "its time is up: " + result.Error
	}
	return result
}

// A run is one command on its way over many hosts.
type run struct {
	Limits
	done func(Result)

	mu      sync.Mutex
	results []Result
	failed  int
}

// place waits for a place among those that run, or says why one more is not
// begun.
func (f *run) place(ctx, whole context.Context, slots chan struct{}) error {
	select {
	case slots <- struct{}{}:
	case <-whole.Done():
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return errCanceled
	case whole.Err() != nil:
		return errNoTime
	case f.StopAfter > 0 && f.failed >= f.StopAfter:
		<-slots // it had one, for nothing has ended
		return errStopped
	}
	return nil
}

// settle notes a result.
func (f *run) settle(i int, r Result) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.results[i] = r
	if !r.OK() && !r.Began.IsZero() {
		f.failed++
	}
	if f.done != nil {
		f.done(r)
	}
}
