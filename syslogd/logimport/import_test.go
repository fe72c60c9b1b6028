package logimport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"rondo/syslogd"
	"rondo/syslogd/filter"
	"rondo/syslogd/logstore"
	"rondo/syslogd/syslog"
	"rondo/syslogd/syslog/jsonl"
)

// memory is a store that keeps what it gets, and fails when told to: before a
// write, or after it.
type memory struct {
	messages []syslog.Message
	marks    map[string]uint64
	fail     func() (stored bool, err error)
}

var errFault = errors.New("injected")

func newMemory() *memory { return &memory{marks: map[string]uint64{}} }

func (m *memory) Put(ctx context.Context, batch []syslog.Message) error {
	return m.PutMarked(ctx, batch, nil)
}

func (m *memory) PutMarked(_ context.Context, batch []syslog.Message, marks []syslogd.Mark) error {
	stored, err := true, error(nil)
	if m.fail != nil {
		stored, err = m.fail()
	}
	if stored {
		for i := range batch {
			m.messages = append(m.messages, batch[i].Clone())
		}
		for _, x := range marks {
			m.marks[x.Source] = x.Pos
		}
	}
	return err
}

func (m *memory) Marks(prefix string) (found []syslogd.Mark) {
	for source, pos := range m.marks {
		if strings.HasPrefix(source, prefix) {
			found = append(found, syslogd.Mark{Source: source, Pos: pos})
		}
	}
	return found
}

func (m *memory) Keeps(msg *syslog.Message, now time.Time) bool {
	return now.Sub(msg.Received) < 30*24*time.Hour
}

func asIs(batch []syslog.Message) []syslog.Message { return batch }

func textFile(name, text string) File {
	return File{
		Name: name, Size: int64(len(text)), Changed: time.Now(),
		Open:     func(context.Context) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil },
		Identity: func(context.Context) (string, error) { return HashIdentity(strings.NewReader(text)) },
	}
}

func numbered(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "<13>1 2026-11-21T08:00:00Z h%d app %d - - message %d\n", i%3, i, i)
	}
	return b.String()
}

// remote is a target behind HTTP.
func remote(t testing.TB, to Target) *Remote {
	server := httptest.NewServer(Handler(to))
	t.Cleanup(server.Close)
	errConflict := errors.New("conflict")
	return &Remote{
		Do: func(ctx context.Context, method, path string, q url.Values, body io.Reader) (io.ReadCloser, error) {
			req, err := http.NewRequestWithContext(ctx, method, server.URL+path+"?"+q.Encode(), body)
			if err != nil {
				return nil, err
			}
			resp, err := server.Client().Do(req)
			if err != nil {
				return nil, err
			}
			if resp.StatusCode < 300 {
				return resp.Body, nil
			}
			text, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if resp.StatusCode == http.StatusConflict {
				return nil, errConflict
			}
			return nil, errors.New(string(text))
		},
		Conflict: func(err error) bool { return errors.Is(err, errConflict) },
	}
}

// TestOnce: whatever fails, and whenever, each message is stored once.
func TestOnce(t *testing.T) {
	const n = 4500
	text := numbered(n)
	rapid.Check(t, func(rt *rapid.T) {
		store := newMemory()
		var to Target = NewLocal(store, asIs)
		i := Importer{Target: to}
		rounds := 0
		for ; ; rounds++ {
			left := rapid.IntRange(0, 8).Draw(rt, "puts")
			stored := rapid.Bool().Draw(rt, "stored")
			store.fail = func() (bool, error) {
				if left--; left < 0 {
					return stored, errFault
				}
				return true, nil
			}
			if rounds > 20 {
				store.fail = nil
			}
			r, err := i.File(t.Context(), textFile("x", text))
			if err == nil {
				break
			}
			if !errors.Is(err, errFault) || !errors.Is(err, ErrTarget) {
				rt.Fatal(err)
			}
			if r.Already+r.Stored > n {
				rt.Fatalf("%+v", r)
			}
		}
		for at := range n {
			if at >= len(store.messages) || store.messages[at].PID != fmt.Sprint(at) {
				rt.Fatalf("message %d is not where it should be, after %d rounds", at, rounds)
			}
		}
		if len(store.messages) != n {
			rt.Fatalf("%d messages", len(store.messages))
		}
		store.fail = nil
		if r, err := i.File(t.Context(), textFile("other name", text)); err != nil || !r.Done || len(store.messages) != n {
			rt.Fatalf("%+v, %v", r, err)
		}
	})
}

func TestSelection(t *testing.T) {
	store := newMemory()
	text := "<13>1 2026-11-20T08:00:00Z a app - - - early\n<13>1 2026-11-21T08:00:00Z a app - - - wanted\n" +
		"<13>1 2026-11-21T08:00:00Z b app - - - other\n<13>1 2026-11-22T08:00:00Z a app - - - late\nno header\n"
	only, err := filter.Parse("host:a")
	if err != nil {
		t.Fatal(err)
	}
	day := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	i := Importer{Target: NewLocal(store, asIs), Selection: Selection{From: day, To: day.AddDate(0, 0, 1), Filter: only, Host: "c", Text: "one"}, DryRun: true}
	check := func(want string) {
		t.Helper()
		r, err := i.File(t.Context(), textFile("x", text))
		if got := fmt.Sprintf("%d %d %d %v %v", r.Stored, r.Others, r.Already, r.Done, err); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	check("1 4 0 false <nil>")
	if len(store.messages)+len(store.marks) > 0 {
		t.Error("a dry run has stored something")
	}
	i.DryRun = false
	check("1 4 0 false <nil>")
	if len(store.messages) != 1 || store.messages[0].Text != "wanted" {
		t.Errorf("%+v", store.messages)
	}
	check("0 0 5 true <nil>")
	i.Selection = Selection{Host: "c", Text: "two"}
	check("0 0 0 false " + ErrOtherSelection.Error())
	i.Again = true
	check("5 0 0 false <nil>")
	if last := store.messages[len(store.messages)-1]; last.Host != "c" || last.Text != "no header" {
		t.Errorf("%+v", last)
	}
}

// TestRemote: a server takes the same, byte for byte, and refuses what does
// not fit.
func TestRemote(t *testing.T) {
	store := newMemory()
	to := remote(t, NewLocal(store, asIs))
	m := syslog.Parse("<13>Nov 21 08:00:00 web app[7]: caf\xe9\nx", time.Now().UTC().Add(-time.Hour), netip.MustParseAddr("10.0.0.7"))
	text := string(jsonl.Append(nil, &m)) + "\n" + string(jsonl.Append(nil, &m))
	i := Importer{Target: to}
	if r, err := i.File(t.Context(), textFile("x", text)); err != nil || r.Stored != 2 {
		t.Fatalf("%+v %v", r, err)
	}
	if got := store.messages[1]; got.Raw != m.Raw || got.Text != m.Text || !got.Received.Equal(m.Received) || got.Sender != m.Sender {
		t.Errorf("%+v\nwant %+v", got, m)
	}
	if r, err := i.File(t.Context(), textFile("x", text)); err != nil || !r.Done {
		t.Errorf("%+v %v", r, err)
	}
	for _, p := range []Portion{{Source: "a", From: 1, To: 2}, {Source: slices.Collect(positions(store))[0], From: 2, To: 3}} {
		if err := to.Put(t.Context(), p); !errors.Is(err, ErrMoved) {
			t.Errorf("%+v: %v", p, err)
		}
	}
	if err := to.Put(t.Context(), Portion{From: 2, To: 1}); err == nil || errors.Is(err, ErrMoved) {
		t.Error(err)
	}
}

func positions(m *memory) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for source := range m.marks {
			if !yield(strings.TrimPrefix(source, syslogd.ImportMarks)) {
				return
			}
		}
	}
}

// TestStore: imported lines are found by their own time, whenever that was, and
// retention leaves them alone.
func TestStore(t *testing.T) {
	dir := t.TempDir()
	open := func() *logstore.Store {
		s, err := logstore.Open(dir, logstore.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open()
	now := time.Now().UTC().Truncate(time.Second)
	var text bytes.Buffer
	ages := []time.Duration{time.Hour, 10 * 24 * time.Hour, 29 * 24 * time.Hour, 30 * 24 * time.Hour, 400 * 24 * time.Hour, -48 * time.Hour}
	for i, age := range ages {
		fmt.Fprintf(&text, "<13>1 %s host app %d - - old news\n", now.Add(-age).Format(time.RFC3339), i)
	}
	i := Importer{Target: NewLocal(s, asIs)}
	if r, err := i.File(t.Context(), textFile("x", text.String())); err != nil || r.Stored != uint64(len(ages)) {
		t.Fatalf("%+v %v", r, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open()
	defer s.Close()
	for i, age := range ages {
		at := now.Add(-age)
		n := 0
		for m, err := range s.Search(t.Context(), syslogd.Query{From: at.Add(-time.Second), To: at.Add(time.Second)}) {
			if err != nil {
				t.Fatal(err)
			}
			n++
			kept := age > 0 && age <= 29*24*time.Hour
			if m.PID != fmt.Sprint(i) || kept != m.Received.Equal(at) || m.Received.After(time.Now()) {
				t.Errorf("%v old: pid %s, received %v", age, m.PID, m.Received)
			}
		}
		if n != 1 {
			t.Errorf("%v old: %d found", age, n)
		}
	}
	i.Target = NewLocal(s, asIs)
	if r, err := i.File(t.Context(), textFile("x", text.String())); err != nil || !r.Done {
		t.Errorf("%+v %v", r, err)
	}
}

func TestIdentity(t *testing.T) {
	for name, want := range map[string]string{
		"logs/2026/11/21/web/20261121T093000Z-k3jx2q-00000000000000048213.jsonl.zst": "20261121T093000Z-k3jx2q-00000000000000048213",
		"20261121T093000Z-k3jx2q-00000000000000048213.jsonl.gz":                      "20261121T093000Z-k3jx2q-00000000000000048213",
		"20261121T093000Z-k3jx2q-00000000000000048213.jsonl.gz.age":                  "20261121T093000Z-k3jx2q-00000000000000048213",
		"20261121T093000Z-k3jx2q-48213.jsonl.gz":                                     "",
		"messages.gz":                                                                "",
	} {
		if got := ArchiveIdentity(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
		if got := ArchiveBegin(name); got.IsZero() != (want == "") {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func FuzzParsePortion(f *testing.F) {
	f.Add("source=a&from=0&to=2", []byte(`{"message":"x"}`+"\n"+`{"message":"y"}`))
	f.Fuzz(func(t *testing.T, query string, body []byte) {
		q, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		if p, err := parsePortion(q, bytes.NewReader(body)); err == nil && len(p.Messages) > bytes.Count(body, []byte("\n"))+1 {
			t.Fatalf("%+v", p)
		}
	})
}
