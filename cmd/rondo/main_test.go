package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"rondo/autoscale/s3/s3test"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"rondo": main, "shop": shopMain})
}

// TestScript runs the program end to end: the real main in processes of its
// own, real sockets, real clients. The scripts are in testdata/script.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:   "testdata/script",
		Setup: func(e *testscript.Env) error { return setupPeers(e) },
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"ports":    cmdPorts,
			"await":    cmdAwait,
			"send":     cmdSend,
			"receiver": cmdReceiver,
			"count":    cmdCount,
			"envsubst": cmdEnvsubst,
			"rrdsame":  cmdRRDsame,
			"gateway":  cmdGateway,
			"readme":   cmdReadme,
		},
		Condition: func(cond string) (bool, error) {
			name, ok := strings.CutPrefix(cond, "has:")
			if !ok {
				return false, fmt.Errorf("unknown condition %s", cond)
			}
			return havePeer(name), nil
		},
	})
}

// peersDir is where .ci/deps unpacks rsyslog and syslog-ng, which as packages
// exclude each other.
func peersDir() string {
	dir, err := filepath.Abs("../../.cache/peers")
	if err != nil {
		return ""
	}
	return dir
}

func setupPeers(e *testscript.Env) error {
	p := peersDir()
	e.Vars = append(e.Vars,
		"PEERS="+p,
		"PEERLIBS="+strings.Join([]string{p + "/usr/lib/x86_64-linux-gnu", p + "/lib/x86_64-linux-gnu", p + "/usr/lib/syslog-ng"}, ":"),
		"HOME="+e.WorkDir,
		"TZ=UTC",
		"AGO="+strconv.FormatInt(time.Now().Add(-4*time.Hour).Unix(), 10), // one moment, however long a script takes
	)
	return nil
}

func havePeer(name string) bool {
	if name == "versitygw" {
		return s3test.Find() != ""
	}
	if _, err := exec.LookPath(name); err == nil {
		return true
	}
	for _, dir := range []string{"usr/sbin", "usr/bin"} {
		if _, err := os.Stat(filepath.Join(peersDir(), dir, name)); err == nil {
			return true
		}
	}
	return false
}

// cmdPorts sets each name to a free port of the loopback address.
func cmdPorts(ts *testscript.TestScript, _ bool, names []string) {
	for _, name := range names {
		port, err := freePort()
		ts.Check(err)
		ts.Setenv(name, strconv.Itoa(port))
	}
}

// patience is how long await, count and waitFor wait. It bounds a failing test; a
// passing one goes on at once.
const patience = 60 * time.Second

// waitFor asks until there is no error.
func waitFor(t testing.TB, f func() error) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

// cmdAwait runs a command until its output matches: await REGEXP COMMAND...
func cmdAwait(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: await [!] REGEXP COMMAND...")
	}
	re, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	var out []byte
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		cmd := exec.Command(args[1], args[2:]...)
		cmd.Dir = ts.Getenv("WORK")
		cmd.Env = append(os.Environ(), "PATH="+ts.Getenv("PATH"), "TZ=UTC")
		out, _ = cmd.CombinedOutput()
		if re.Match(out) != neg {
			return
		}
	}
	ts.Fatalf("await %s: gave up; last output:\n%s", args[0], out)
}

// cmdSend sends a file to a socket: send tcp|udp PORT FILE. $NOW and $NOW-n
// in it become epoch seconds. Over tcp it waits for the server's close, which
// comes when all is on disk.
func cmdSend(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: send tcp|udp PORT FILE")
	}
	now := time.Now().Unix()
	text := regexp.MustCompile(`\$NOW([+-]\d+)?`).ReplaceAllStringFunc(ts.ReadFile(args[2]), func(s string) string {
		n, _ := strconv.ParseInt(strings.TrimPrefix(s, "$NOW"), 10, 64)
		return strconv.FormatInt(now+n, 10)
	})
	conn, err := net.Dial(args[0], "127.0.0.1:"+args[1])
	ts.Check(err)
	defer conn.Close()
	if args[0] == "udp" {
		for line := range strings.Lines(text) {
			_, err := io.WriteString(conn, strings.TrimSuffix(line, "\n"))
			ts.Check(err)
		}
		return
	}
	_, err = io.WriteString(conn, text)
	ts.Check(err)
	ts.Check(conn.(*net.TCPConn).CloseWrite())
	ts.Check(conn.SetReadDeadline(time.Now().Add(patience)))
	_, err = io.Copy(io.Discard, conn)
	ts.Check(err)
}

// cmdReceiver starts a webhook receiver: receiver FILE. It sets RECEIVER to
// its URL and writes, for each call, the call's key and alerts to the file.
func cmdReceiver(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	file := ts.MkAbs(args[0])
	ts.Check(os.WriteFile(file, nil, 0o600))
	var mu sync.Mutex
	srv := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		if err != nil {
			return
		}
		var compact bytes.Buffer
		if json.Compact(&compact, body) != nil {
			http.Error(w, "no JSON", http.StatusBadRequest)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0o600)
		if err == nil {
			fmt.Fprintf(f, "%s %s\n", r.Header.Get("Idempotency-Key"), compact.Bytes())
			f.Close()
		}
	})}
	go srv.Serve(l)
	ts.Defer(func() { srv.Close() })
	ts.Setenv("RECEIVER", "http://"+l.Addr().String()+"/hook")
}

// cmdCount waits until the lines of a file that match have so many different
// first words: count N REGEXP FILE.
func cmdCount(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: count N REGEXP FILE")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	re, err := regexp.Compile(args[1])
	ts.Check(err)
	var text string
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		text = ts.ReadFile(args[2])
		keys := map[string]bool{}
		for line := range strings.Lines(text) {
			if re.MatchString(line) {
				keys[strings.Fields(line)[0]] = true
			}
		}
		if len(keys) == want {
			return
		}
	}
	ts.Fatalf("count: want %d different keys in lines that match %s, have:\n%s", want, args[1], text)
}

// cmdGateway starts an S3-compatible server with a bucket named bucket, and
// sets what AWS's clients look for in the environment.
func cmdGateway(ts *testscript.TestScript, _ bool, _ []string) {
	g, err := s3test.Run(s3test.Find(), ts.MkAbs("gateway"), "bucket")
	ts.Check(err)
	ts.Defer(g.Kill)
	ts.Setenv("AWS_ENDPOINT_URL", g.URL())
	ts.Setenv("AWS_ACCESS_KEY_ID", s3test.AccessKey)
	ts.Setenv("AWS_SECRET_ACCESS_KEY", s3test.SecretKey)
	ts.Setenv("AWS_REGION", "us-east-1")
}

// cmdReadme writes the code blocks below a heading of the README to files, in
// their order: readme HEADING FILE...
func cmdReadme(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: readme HEADING FILE...")
	}
	blocks := readmeBlocks(ts, args[0])
	if len(blocks) != len(args)-1 {
		ts.Fatalf("below %q are %d code blocks, not %d", args[0], len(blocks), len(args)-1)
	}
	for i, file := range args[1:] {
		ts.Check(os.WriteFile(ts.MkAbs(file), []byte(blocks[i]), 0o600))
	}
}

// readmeBlocks are the indented blocks of a section of the README.
func readmeBlocks(ts *testscript.TestScript, heading string) (blocks []string) {
	section, err := readmeSection(heading)
	ts.Check(err)
	inside := false
	for line := range strings.Lines(section) {
		code, is := strings.CutPrefix(line, "    ")
		if is && !inside {
			blocks = append(blocks, "")
		}
		if inside = is; is {
			blocks[len(blocks)-1] += code
		}
	}
	return blocks
}

// readmeSection is what stands below a heading of the README, up to the next
// one of any level.
func readmeSection(heading string) (string, error) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		return "", err
	}
	_, section, ok := strings.Cut(string(text), "# "+heading+"\n")
	if !ok {
		return "", fmt.Errorf("the README has no section %q", heading)
	}
	if next := regexp.MustCompile("(?m)^##").FindStringIndex(section); next != nil {
		section = section[:next[0]]
	}
	return section, nil
}

// cmdEnvsubst replaces $NAME in files.
func cmdEnvsubst(ts *testscript.TestScript, _ bool, files []string) {
	for _, f := range files {
		text := os.Expand(ts.ReadFile(f), ts.Getenv)
		ts.Check(os.WriteFile(ts.MkAbs(f), []byte(text), 0o600))
	}
}
