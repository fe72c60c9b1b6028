package file

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/zstd"

	"rondo/syslogd/macro"
	"rondo/syslogd/out"
)

// names are those of the files in a directory; the stamps of rotation are
// left out.
func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		name := e.Name()
		if r, ok := parseRotated(name); ok {
			name = r.base + ".STAMP" + r.suffix
		}
		all = append(all, name)
	}
	return strings.Join(all, " ")
}

func send(t *testing.T, s out.Session, lines ...string) {
	t.Helper()
	if err := s.Send(t.Context(), batchOf(lines...)); err != nil {
		t.Fatal(err)
	}
}

func end(t *testing.T, s out.Session) {
	t.Helper()
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestRotateBySize(t *testing.T) {
	dir := t.TempDir()
	d := open(t, Config{Path: macro.Source(dir + "/x.log"), Template: "${TEXT}", Rotate: Rotate{Size: 4096, Compress: None}})
	s := openSession(t, d)
	line := strings.Repeat("x", 99)
	for range 100 {
		send(t, s, line)
	}
	if n, _ := s.Settled(); n < 80 {
		t.Errorf("%d settled though rotated twice", n)
	}
	end(t, s)
	if got := names(t, dir); got != "x.log x.log.STAMP x.log.STAMP" {
		t.Error(got)
	}
	for _, a := range received(t, dir) {
		if a.Text != line {
			t.Errorf("%q", a.Text)
		}
	}
	if n := len(received(t, dir)); n != 100 {
		t.Errorf("%d lines", n)
	}
}

func TestRotateByTime(t *testing.T) {
	for every, steps := range map[Period][3]time.Duration{
		Hour: {30 * time.Minute, 29 * time.Minute, time.Minute},
		Day:  {12 * time.Hour, 11 * time.Hour, time.Hour},
		Week: {24 * time.Hour, 23 * time.Hour, time.Hour}, // from a Saturday
	} {
		synctest.Test(t, func(t *testing.T) {
			dir := t.TempDir()
			d := open(t, Config{Path: macro.Source(dir + "/x.log"), Template: "${TEXT}", TimeZone: "UTC", Rotate: Rotate{Every: every, Compress: None}})
			s := openSession(t, d)
			for i, step := range steps {
				send(t, s, fmt.Sprint(i))
				time.Sleep(step)
				synctest.Wait()
			}
			send(t, s, "3")
			end(t, s)
			got := tree(t, dir)
			if !strings.Contains(got, `x.log: "3\n"`) || !strings.Contains(got, `"0\n1\n2\n"`) {
				t.Errorf("%s: %s", every, got)
			}
		})
	}
}

// TestRotatesAnOldFile: the time of a file that was there before is when it
// was written to.
func TestRotatesAnOldFile(t *testing.T) {
	dir := t.TempDir()
	d := open(t, Config{Path: macro.Source(dir + "/x.log"), Template: "${TEXT}", Rotate: Rotate{Every: Week, Compress: None}})
	deliver(t, d, "new")
	old := time.Now().Add(-8 * 24 * time.Hour)
	if err := os.Chtimes(dir+"/x.log", old, old); err != nil {
		t.Fatal(err)
	}
	deliver(t, d, "newer")
	if got := names(t, dir); got != "x.log x.log.STAMP" {
		t.Error(got)
	}
}

// TestTidy: rotated files are compressed and removed; others are left alone.
func TestTidy(t *testing.T) {
	for _, c := range []Compression{Zstd, Gzip} {
		dir, now := t.TempDir(), time.Now()
		day := func(n int) string { return rotatedName("", now.Add(-time.Duration(n)*24*time.Hour)) }
		plain := "one\ntwo\n"
		for _, name := range []string{
			"a.log", "a.log" + day(1), "a.log" + day(2) + ".gz", "a.log" + day(3) + ".zst", "a.log" + day(4), "a.log" + day(5), // the fifth is one too many
			"b.log" + day(10), "b.log" + day(31) + ".gz", // and the second too old
			"a.log" + day(1) + c.suffix() + ".tmp", // from a crash
			"a.txt" + day(99), "a.log.1", "a.log.2.gz", "other",
		} {
			write(t, filepath.Join(dir, name), plain)
		}
		if err := os.Chmod(filepath.Join(dir, "a.log"+day(1)), 0o604); err != nil {
			t.Fatal(err)
		}
		d := open(t, Config{Path: macro.Source(dir + "/${HOST}.log"), Rotate: Rotate{Size: 1 << 20, Keep: 4, MaxAge: 30 * 24 * time.Hour, Compress: c}})
		root, err := os.OpenRoot(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		tidy := &tidier{conf: d.conf, root: root, log: d.log}
		for range 2 {
			if err := tidy.sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		want := "a.log a.log.1 a.log.2.gz a.log.STAMP" + c.suffix() + " a.log.STAMP.zst a.log.STAMP.gz a.log.STAMP" + c.suffix() + " a.txt.STAMP b.log.STAMP" + c.suffix() + " other"
		got := strings.Fields(names(t, dir))
		if len(got) != len(strings.Fields(want)) {
			t.Errorf("%s:\n got %s\nwant %s", c, got, want)
		}
		packed, err := filepath.Glob(dir + "/b.log.*" + c.suffix())
		if err != nil || len(packed) != 1 {
			t.Fatal(packed, err)
		}
		if got := unpack(t, packed[0]); got != plain {
			t.Errorf("%q", got)
		}
		if info, err := os.Stat(dir + "/a.log" + day(1) + c.suffix()); err != nil || info.Mode() != 0o604 {
			t.Error(info.Mode(), err)
		}
	}
}

func unpack(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var r io.Reader
	if strings.HasSuffix(name, ".gz") {
		r, err = gzip.NewReader(bytes.NewReader(text))
	} else {
		r, err = zstd.NewReader(bytes.NewReader(text))
	}
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// TestCompressedInTheEnd: rotation has what it renamed compressed.
func TestCompressedInTheEnd(t *testing.T) {
	dir := t.TempDir()
	d := open(t, Config{Path: macro.Source(dir + "/x.log"), Template: "${TEXT}", Rotate: Rotate{Size: 4096}})
	s := openSession(t, d)
	send(t, s, strings.Repeat("x", 5000))
	send(t, s, "y")
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for range 20_000 {
		if names(t, dir) == "x.log x.log.STAMP.zst" {
			break
		}
		<-tick.C
	}
	if got := names(t, dir); got != "x.log x.log.STAMP.zst" {
		t.Error(got)
	}
	end(t, s)
}

// TestLogrotate: Debian's logrotate works on our files, with nothing lost.
func TestLogrotate(t *testing.T) {
	logrotate, err := exec.LookPath("logrotate")
	if err != nil {
		if logrotate, err = exec.LookPath("/usr/sbin/logrotate"); err != nil {
			t.Skip("SKIPPED: logrotate is not installed")
		}
	}
	dir := filepath.Join(t.TempDir(), "logs")
	s := openSession(t, open(t, Config{Path: macro.Source(dir + "/${HOST}.log"), Template: "${TEXT}", DirMode: 0o755, Mode: 0o600}))
	conf := filepath.Join(t.TempDir(), "conf")
	write(t, conf, dir+"/*.log {\n rotate 10\n compress\n delaycompress\n missingok\n}\n")
	const n, rounds = 50, 4
	for round := range rounds {
		for i := range n {
			send(t, s, fmt.Sprintf("<13>Nov 21 08:00:00 web x: %d", round*n+i))
		}
		cmd := exec.Command(logrotate, "-f", "-s", conf+".state", conf)
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
	}
	end(t, s)
	var all strings.Builder
	for i := rounds; i > 1; i-- {
		all.WriteString(unpack(t, fmt.Sprintf("%s/web.log.%d.gz", dir, i)))
	}
	last, err := os.ReadFile(dir + "/web.log.1")
	if err != nil {
		t.Fatal(err)
	}
	all.Write(last)
	var want strings.Builder
	for i := range n * rounds {
		fmt.Fprintln(&want, i)
	}
	if all.String() != want.String() {
		t.Errorf("%q", all.String())
	}
}

const childDir = "RONDO_TEST_FILE_CHILD"

// TestChild is what TestKill kills: it writes lines from a number on, and says
// how many are settled.
func TestChild(t *testing.T) {
	dir := os.Getenv(childDir)
	if dir == "" {
		return
	}
	var next int
	if _, err := fmt.Sscan(os.Getenv(childDir+"_FROM"), &next); err != nil {
		t.Fatal(err)
	}
	d, err := New(Config{Path: macro.Source(dir + "/${HOST}.log"), Template: "${TEXT}", Rotate: Rotate{Size: 50_000, Compress: None}}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s := openSession(t, d)
	for from := next; ; {
		var lines []string
		for range 50 {
			lines = append(lines, fmt.Sprintf("<13>Nov 21 08:00:00 h%d x: %d %s.", next%3, next, strings.Repeat("x", next%90)))
			next++
		}
		send(t, s, lines...)
		if next%200 == 0 {
			if err := s.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		n, _ := s.Settled()
		fmt.Fprintf(os.Stdout, "settled %d\n", from+int(n))
	}
}

// TestKill: the process is killed while it writes, again and again. Nothing
// that was settled is missing, and no line is half.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	settled := 0
	for round := range 8 {
		settled = runAndKill(t, dir, settled, 3+round*5)
	}
	deliver(t, open(t, Config{Path: macro.Source(dir + "/${HOST}.log"), Template: "${TEXT}"}), // mends
		"<13>Nov 21 08:00:00 h0 x: 0 .", "<13>Nov 21 08:00:00 h1 x: 1 x.", "<13>Nov 21 08:00:00 h2 x: 2 xx.")
	have := map[int]bool{}
	for _, a := range received(t, dir) {
		var i int
		var rest string
		if n, err := fmt.Sscan(a.Text, &i, &rest); n != 2 || err != nil || rest != strings.Repeat("x", i%90)+"." {
			t.Fatalf("half a line: %q", a.Text)
		}
		have[i] = true
	}
	for i := range settled {
		if !have[i] {
			t.Fatalf("%d of %d settled is missing", i, settled)
		}
	}
	t.Logf("%d settled, %d lines there", settled, len(received(t, dir)))
}

// runAndKill kills a child after so many reports, and returns the last one.
func runAndKill(t *testing.T, dir string, from, reports int) (settled int) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestChild$")
	cmd.Env = append(os.Environ(), childDir+"="+dir, fmt.Sprintf("%s_FROM=%d", childDir, from))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	settled = from
	var text bytes.Buffer
	buf := make([]byte, 64)
	for strings.Count(text.String(), "\n") < reports {
		n, err := out.Read(buf)
		if err != nil {
			t.Fatalf("the child ended: %v: %s", err, text.String())
		}
		text.Write(buf[:n])
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	rest, _ := io.ReadAll(out)
	text.Write(rest)
	_ = cmd.Wait() // killed
	for line := range strings.Lines(text.String()) {
		if n := 0; strings.HasSuffix(line, "\n") {
			if _, err := fmt.Sscanf(line, "settled %d", &n); err == nil {
				settled = n
			}
		}
	}
	return settled
}
