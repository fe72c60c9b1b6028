package roster

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Bounds of what a server is believed.
const (
	maxEvent   = 16 << 20 // bytes of an event: a view of 20,000 members has 8 MiB
	maxMembers = 50_000
	maxAnswer  = 512           // bytes of an answer that is no success
	deaf       = 3*beat + beat // without a word after this the server is taken for gone
)

// A Follower follows the roster of a server.
type Follower struct {
	Client *http.Client
	URL    string // of the server
	Group  string // "": all
	// Sign puts the key on a request; nil: it needs none.
	Sign func(*http.Request) error

	view View
	last string // Last-Event-ID
}

// ErrRefused is the error of a server that does not let us read.
var ErrRefused = errors.New("roster: the server refuses us")

// Follow calls each with what the server has, and with each version after that,
// until the connection ends; it returns why. Called again it goes on from there.
func (f *Follower) Follow(ctx context.Context, each func(View) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watch := time.AfterFunc(deaf, cancel)
	defer watch.Stop()
	body, err := f.ask(ctx)
	if err != nil {
		return err
	}
	defer body.Close()
	lines := bufio.NewReaderSize(body, 64<<10)
	var e event
	for {
		line, err := readLine(lines)
		if err != nil {
			return fmt.Errorf("roster: events: %w", err)
		}
		watch.Reset(deaf)
		if len(line) > 0 {
			if e.field(line); len(e.data) > maxEvent {
				return fmt.Errorf("roster: an event has more than %d bytes", maxEvent)
			}
			continue
		}
		whole, err := f.take(e)
		if err != nil {
			return err
		}
		if whole {
			if err := each(f.view); err != nil {
				f.last = "" // it is to have all of it again
				return err
			}
		}
		e = event{}
	}
}

// ask opens the stream of events.
func (f *Follower) ask(ctx context.Context) (io.ReadCloser, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(f.URL, "/")+EventsPath, nil)
	if err != nil {
		return nil, fmt.Errorf("roster: %w", err)
	}
	if f.Group != "" {
		r.URL.RawQuery = url.Values{"group": {f.Group}}.Encode()
	}
	r.Header.Set("Accept", "text/event-stream")
	if f.last != "" {
		r.Header.Set("Last-Event-ID", f.last)
	}
	if f.Sign != nil {
		if err := f.Sign(r); err != nil {
			return nil, fmt.Errorf("roster: %w", err)
		}
	}
	answer, err := f.Client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("roster: %w", err)
	}
	if answer.StatusCode == http.StatusOK {
		return answer.Body, nil
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	why := fmt.Errorf("the server answers %s: %s", answer.Status, bytes.TrimSpace(text))
	if answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden {
		return nil, errors.Join(ErrRefused, why)
	}
	return nil, fmt.Errorf("roster: %w", why)
}

// readLine reads a line without its end.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		if len(line)+len(part) > maxEvent {
			return nil, fmt.Errorf("a line has more than %d bytes", maxEvent)
		}
		line = append(line, part...)
		if err == nil {
			return bytes.TrimRight(line, "\r\n"), nil
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return nil, err
		}
	}
}

// An event as it comes.
type event struct {
	name, id string
	data     []byte
}

func (e *event) field(line []byte) {
	name, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimPrefix(value, []byte(" "))
	switch string(name) { // a comment has no name
	case "event":
		e.name = string(value)
	case "id":
		e.id = string(value)
	case "data":
		e.data = append(e.data, value...)
	}
}

// take applies an event. The view is whole when an ID comes along.
func (f *Follower) take(e event) (whole bool, err error) {
	switch kind := Kind(e.name); kind {
	case "view":
		var v View
		if err := json.Unmarshal(e.data, &v); err != nil {
			return false, fmt.Errorf("roster: view: %w", err)
		}
		f.view = v
	case Joined, Changed, Left:
		var one Event
		if err := json.Unmarshal(e.data, &one); err != nil {
			return false, fmt.Errorf("roster: %s: %w", kind, err)
		}
		f.apply(kind, one)
	}
	if len(f.view.Members) > maxMembers {
		return false, fmt.Errorf("roster: more than %d members", maxMembers)
	}
	if e.id == "" {
		return false, nil
	}
	f.last, f.view.tag = e.id, e.id
	return e.name != "", nil
}

// apply does to the view what an event says.
func (f *Follower) apply(kind Kind, e Event) {
	same := func(m Member) bool { return m.Group == e.Member.Group && m.ID == e.Member.ID }
	members := slices.DeleteFunc(slices.Clone(f.view.Members), same)
	if kind != Left {
		members = append(members, e.Member)
	}
	slices.SortStableFunc(members, inOrder)
	f.view = View{Version: e.Version, At: f.view.At, Members: members}
}

// HostsFile keeps the block of a hosts file as the server has the members.
type HostsFile struct{ Path string }

// Write puts the members' lines into the file. A view of a server that knows
// nothing yet changes nothing.
func (h HostsFile) Write(v View) (changed bool, err error) {
	if v.Version == 0 {
		return false, nil
	}
	target := Target{Path: h.Path}
	before, err := target.Read()
	if err != nil {
		return false, fmt.Errorf("roster: hosts file: %w", err)
	}
	text, err := EditHosts(before, HostsLines(v.Members))
	if err != nil {
		return false, fmt.Errorf("roster: hosts file: %s: %w", h.Path, err)
	}
	if changed, err = target.Replace(text, nil); err != nil {
		return false, fmt.Errorf("roster: hosts file: %w", err)
	}
	return changed, nil
}
