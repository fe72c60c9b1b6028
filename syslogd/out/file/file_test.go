package file

import (
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"rondo/syslogd/macro"
	"rondo/syslogd/out"
	"rondo/syslogd/out/outtest"
	"rondo/syslogd/syslog"
)

func open(t *testing.T, c Config) *Destination {
	t.Helper()
	d, err := New(c, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// batchOf makes messages of lines, numbered from 1.
func batchOf(lines ...string) out.Batch {
	b := out.Batch{Log: "q"}
	for i, line := range lines {
		b.Numbers = append(b.Numbers, uint64(i+1))
		b.Messages = append(b.Messages, syslog.Parse(line, time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC), netip.Addr{}))
	}
	return b
}

func openSession(t *testing.T, d *Destination) out.Session {
	t.Helper()
	s, err := d.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// deliver sends lines in a session of their own.
func deliver(t *testing.T, d *Destination, lines ...string) {
	t.Helper()
	s := openSession(t, d)
	if err := s.Send(t.Context(), batchOf(lines...)); err != nil {
		t.Error(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if n, refused := s.Settled(); n != uint64(len(lines)) || refused != 0 {
		t.Errorf("%d settled, %d refused of %d", n, refused, len(lines))
	}
}

// tree is all files below a directory, with what is in them.
func tree(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(p)
		rel, _ := filepath.Rel(dir, p)
		fmt.Fprintf(&b, "%s: %q\n", rel, text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func expect(t *testing.T, dir, want string) {
	t.Helper()
	if got := tree(t, dir); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// TestConformance: a file system that fails now and then, in the middle of a
// write too.
func TestConformance(t *testing.T) {
	for _, sync := range []SyncFor{Settled, Written} {
		outtest.Run(t, func(t *testing.T) *outtest.Subject {
			dir := filepath.Join(t.TempDir(), "logs")
			d := open(t, Config{
				Path: macro.Source(dir + "/${HOST}.log"), Template: `${TEXT}`, Sync: sync, MaxOpen: 2,
				Rotate: Rotate{Size: 20_000, Compress: None},
			})
			var broken atomic.Bool
			d.put = func(f *os.File, b []byte) (int, error) {
				if broken.Swap(false) {
					n, _ := f.Write(b[:rand.N(len(b))])
					return n, syscall.ENOSPC
				}
				return f.Write(b)
			}
			return &outtest.Subject{
				Destination: d, Received: func() []outtest.Arrival { return received(t, dir) },
				Cut:  func() { broken.Store(true) },
				Down: func() { swap(t, dir, dir+".away"); write(t, dir, "in the way") },
				Up:   func() { remove(t, dir); swap(t, dir+".away", dir) },
			}
		})
	}
}

// received is what the files hold, those of one name in the order in which
// they were rotated.
func received(t *testing.T, dir string) (all []outtest.Arrival) {
	if _, err := os.Stat(dir + ".away"); err == nil {
		dir += ".away"
	}
	names, err := filepath.Glob(dir + "/*")
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(names, func(a, b string) int { return strings.Compare(a+"~", b+"~") }) // the live one last
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			all = append(all, outtest.Arrival{Text: strings.TrimSuffix(line, "\n")})
		}
	}
	return all
}

func swap(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, name string) {
	t.Helper()
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
}

func TestFormats(t *testing.T) {
	dir := t.TempDir()
	line := "<35>Nov 21 08:00:00 web-1 su[7]: a\nb"
	for format, want := range map[Format]string{
		"":      "2026-11-21T08:00:00.000000Z web-1 su[7]: a#012b\n",
		RFC5424: "<35>1 2026-11-21T08:00:00.000000Z web-1 su 7 - - a#012b\n",
		RFC3164: "<35>Nov 21 08:00:00 web-1 su[7]: a#012b\n",
		Raw:     "<35>Nov 21 08:00:00 web-1 su[7]: a#012b\n",
		JSON: `{"time":"2026-11-21T08:00:00Z","received":"2026-11-21T09:00:00Z","host":"web-1","app":"su","pid":"7","facility":"auth","severity":"err",` +
			`"message":"a\nb","raw":"<35>Nov 21 08:00:00 web-1 su[7]: a\nb","format":"rfc3164"}` + "\n",
	} {
		d := open(t, Config{Path: macro.Source(dir + "/x.log"), Format: format, TimeZone: "UTC"})
		deliver(t, d, line)
		expect(t, dir, fmt.Sprintf("x.log: %q\n", want))
		remove(t, dir+"/x.log")
	}
}

func TestPathsAndModes(t *testing.T) {
	dir := t.TempDir()
	d := open(t, Config{Path: macro.Source(dir + "/a/${HOST}/${YEAR}/${APP}.log"), Template: "${TEXT}", Mode: 0o604, DirMode: 0o705, MaxOpen: 1})
	deliver(t, d, "<13>Nov 21 08:00:00 web app: 1", "<13>Nov 21 08:00:00 db ../../x: 2", "<13>Nov 21 08:00:00 web app: 3", "4")
	expect(t, dir, `a/db/2026/_._.._x.log: "2\n"
a/localhost/2026/_.log: "4\n"
a/web/2026/app.log: "1\n3\n"
`)
	for name, want := range map[string]fs.FileMode{"a/web": fs.ModeDir | 0o705, "a/web/2026": fs.ModeDir | 0o705, "a/web/2026/app.log": 0o604} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
}

// TestOwner needs root, which gives files away.
func TestOwner(t *testing.T) {
	if os.Getuid() != 0 {
		t.Log("not root: only our own user and group are tried")
	}
	dir := t.TempDir()
	owner := fmt.Sprint(os.Getuid())
	if os.Getuid() == 0 {
		owner = "nobody"
	}
	deliver(t, open(t, Config{Path: macro.Source(dir + "/${HOST}/x.log"), Owner: owner, Group: fmt.Sprint(os.Getgid())}), "x")
	info, err := os.Stat(dir + "/localhost/x.log")
	if err != nil {
		t.Fatal(err)
	}
	if uid := info.Sys().(*syscall.Stat_t).Uid; os.Getuid() == 0 && uid == 0 || os.Getuid() != 0 && int(uid) != os.Getuid() {
		t.Errorf("the file belongs to %d", uid)
	}
}

// TestStaysInside: links that lead out of the directory are not followed, and
// what is in the way is passed by.
func TestStaysInside(t *testing.T) {
	outside, dir := t.TempDir(), t.TempDir()
	write(t, outside+"/secret.log", "old\n")
	link := func(to, name string) {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	link(outside, "dir")
	link(outside+"/secret.log", "secret.log")
	link("inside.log", "alias.log")
	if err := errorsOf(os.Mkdir(dir+"/taken.log", 0o700), syscall.Mkfifo(dir+"/fifo.log", 0o600), os.Mkdir(dir+"/sub", 0o700)); err != nil {
		t.Fatal(err)
	}
	host := func(name string) string { return "<13>Nov 21 08:00:00 " + name + " x: " + name }
	d := open(t, Config{Path: macro.Source(dir + "/${HOST}.log"), Template: "${TEXT}"})
	deliver(t, d, host("secret"), host("taken"), host("fifo"), host("alias"), host("fine"), host("dir/secret"))
	remove(t, dir+"/fifo.log")
	deliver(t, open(t, Config{Path: macro.Source(dir + "/${HOST}/secret.log"), Template: "${TEXT}"}), host("dir"), host("sub"))
	if got := tree(t, outside); got != "secret.log: \"old\\n\"\n" {
		t.Errorf("written outside: %s", got)
	}
	text, err := os.ReadFile(dir + "/overflow.log")
	if err != nil || string(text) != "secret\ntaken\nfifo\ndir\n" {
		t.Errorf("overflow: %q %v", text, err)
	}
	for name, want := range map[string]string{"inside.log": "alias\n", "fine.log": "fine\n", "dir_secret.log": "dir/secret\n", "sub/secret.log": "sub\n"} {
		if text, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(text) != want {
			t.Errorf("%s: %q %v", name, text, err)
		}
	}
}

func errorsOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// TestNewFilesAreBounded: a sender that thinks up names gets no file for each.
func TestNewFilesAreBounded(t *testing.T) {
	dir := t.TempDir()
	d := open(t, Config{Path: macro.Source(dir + "/${HOST}.log"), Template: "${HOST}", NewFiles: 3, MaxOpen: 2})
	var lines []string
	for i := range 6 {
		lines = append(lines, fmt.Sprintf("<13>Nov 21 08:00:00 h%d x: y", i))
	}
	deliver(t, d, append(lines, lines[0])...)
	deliver(t, d, lines[5])
	expect(t, dir, "h0.log: \"h0\\nh0\\n\"\nh1.log: \"h1\\n\"\nh2.log: \"h2\\n\"\noverflow.log: \"h3\\nh4\\nh5\\nh5\\n\"\n")
	d.made.since = d.made.since.Add(-time.Hour)
	deliver(t, d, lines[5])
	if text, err := os.ReadFile(dir + "/h5.log"); string(text) != "h5\n" {
		t.Errorf("an hour later: %q, %v", text, err)
	}
}

func TestTornLine(t *testing.T) {
	for before, want := range map[string]string{
		"":                                      "new\n",
		"whole\n":                               "whole\nnew\n",
		"whole\ntorn":                           "whole\nnew\n",
		"torn":                                  "new\n",
		"whole\n\x00\x00\x00":                   "whole\nnew\n",
		"a\n" + strings.Repeat("x", 5000):       "a\nnew\n",
		"a\n" + strings.Repeat("x", maxTorn+10): "a\n" + strings.Repeat("x", maxTorn+10) + "\nnew\n",
	} {
		name := filepath.Join(t.TempDir(), "x.log")
		write(t, name, before)
		deliver(t, open(t, Config{Path: macro.Source(name), Template: "${TEXT}"}), "new")
		if got, err := os.ReadFile(name); err != nil || string(got) != want {
			t.Errorf("%.20q: %.40q, %v", before, got, err)
		}
	}
}

// TestFullDisk: what is not settled is taken back from all files, so that a
// retry does not fill the disk with more of the same.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	d := open(t, Config{Path: macro.Source(dir + "/${HOST}.log"), Template: "${TEXT}"})
	room := 1 << 20
	d.put = func(f *os.File, b []byte) (int, error) {
		n := min(room, len(b))
		room -= n
		n, err := f.Write(b[:n])
		if n < len(b) {
			err = syscall.ENOSPC
		}
		return n, err
	}
	a, b := "<13>Nov 21 08:00:00 a x: one", "<13>Nov 21 08:00:00 b x: two"
	deliver(t, d, a, b)
	for range 3 {
		room = 6
		s := openSession(t, d)
		if err := s.Send(t.Context(), batchOf(a, b)); err == nil || !strings.Contains(err.Error(), "no space left") {
			t.Fatal(err)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if n, _ := s.Settled(); n != 0 {
			t.Errorf("%d settled", n)
		}
		expect(t, dir, "a.log: \"one\\n\"\nb.log: \"two\\n\"\n")
	}
	room = 1 << 20
	deliver(t, d, a, b)
	expect(t, dir, "a.log: \"one\\none\\n\"\nb.log: \"two\\ntwo\\n\"\n")
}

// TestSettled: after a sync, unless it was said that a write is enough.
func TestSettled(t *testing.T) {
	for sync, want := range map[SyncFor]uint64{Settled: 0, Written: 1} {
		dir := t.TempDir()
		s := openSession(t, open(t, Config{Path: macro.Source(dir + "/x.log"), Template: "${TEXT}", Sync: sync}))
		if err := s.Send(t.Context(), batchOf("x")); err != nil {
			t.Fatal(err)
		}
		expect(t, dir, "x.log: \"x\\n\"\n")
		if n, _ := s.Settled(); n != want {
			t.Errorf("%s: %d settled before Flush", sync, n)
		}
		if err := s.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n, _ := s.Settled(); n != 1 {
			t.Errorf("%s: %d settled", sync, n)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// TestMovedAway: what another program renames or removes is opened anew, with
// nothing lost.
func TestMovedAway(t *testing.T) {
	dir := t.TempDir()
	s := openSession(t, open(t, Config{Path: macro.Source(dir + "/x.log"), Template: "${TEXT}"}))
	send := func(line string) {
		t.Helper()
		if err := s.Send(t.Context(), batchOf(line)); err != nil {
			t.Fatal(err)
		}
	}
	send("1")
	swap(t, dir+"/x.log", dir+"/x.log.1")
	send("2")
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	swap(t, dir+"/x.log", dir+"/x.log.2")
	write(t, dir+"/x.log", "another's\n")
	send("3")
	remove(t, dir+"/x.log")
	send("4")
	if err := os.Truncate(dir+"/x.log", 0); err != nil { // copytruncate
		t.Fatal(err)
	}
	send("5")
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	expect(t, dir, "x.log: \"5\\n\"\nx.log.1: \"1\\n\"\nx.log.2: \"2\\n\"\n")
}

func TestConfig(t *testing.T) {
	for want, c := range map[string]Config{
		`path: "x.log": want an absolute path`:                        {Path: "x.log"},
		`a file that is rotated needs a fixed ending`:                 {Path: "/x/$HOST", Rotate: Rotate{Size: 1 << 20}},
		`unknown macro ${HOTS}; did you mean ${HOST}?`:                {Path: "/x/${HOTS}"},
		`template: macro: character 1: unknown macro ${TEST}`:         {Path: "/x", Template: "${TEST}"},
		`give format or template, not both`:                           {Path: "/x", Template: "${TEXT}", Format: JSON},
		`format: "xml" is none of ["rfc5424" "rfc3164" "raw" "json"]`: {Path: "/x", Format: "xml"},
		`rotate: size: 10 is less than 4096`:                          {Path: "/x", Rotate: Rotate{Size: 10}},
		`rotate: want size or every`:                                  {Path: "/x", Rotate: Rotate{Keep: 3}},
		`rotate: every: "month" is none of ["hour" "day" "week"]`:     {Path: "/x", Rotate: Rotate{Every: "month"}},
		`rotate: compress: "bzip2" is none of`:                        {Path: "/x", Rotate: Rotate{Every: Day, Compress: "bzip2"}},
		`sync: "never" is none of`:                                    {Path: "/x", Sync: "never"},
		`time_zone: unknown time zone Mars`:                           {Path: "/x", TimeZone: "Mars"},
		`owner: user: unknown user no-such-user`:                      {Path: "/x", Owner: "no-such-user"},
		`group: group: unknown group no-such-group`:                   {Path: "/x", Group: "no-such-group"},
		`want at least 1`:                                             {Path: "/x", MaxOpen: -1},
	} {
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
	var m Mode
	for text, want := range map[string]Mode{"0640": 0o640, "600": 0o600, "0": 0, "7777": 0, "rw": 0, "0o644": 0} {
		m = 0
		if err := m.UnmarshalText([]byte(text)); (err == nil) != (want != 0) || m != want {
			t.Errorf("mode %s: %o, %v", text, m, err)
		}
	}
}

func BenchmarkSend(b *testing.B) {
	d, err := New(Config{Path: macro.Source(b.TempDir() + "/${HOST}/${APP}.log")}, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		b.Fatal(err)
	}
	var lines []string
	for i := range 1000 {
		lines = append(lines, fmt.Sprintf("<13>1 2026-11-21T08:00:00Z host-%d nginx 77 - - GET /index.html took %d ms", i%20, i))
	}
	batch := batchOf(lines...)
	s, err := d.Open(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Send(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(lines)), "ns/message")
	if err := s.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
}
