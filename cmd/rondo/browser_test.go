package main

import (
	"fmt"
	"net"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"rondo/web/pages"
	"rondo/web/webtest"
)

// TestDemoInABrowser runs the demo as a newcomer does, opens every page of it
// in a real browser, sees the graph move and the scale-out drawn, and finds no
// complaint in the console and no request to another host.
func TestDemoInABrowser(t *testing.T) {
	b := webtest.Start(t)
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	bin, err := exec.LookPath("rondo")
	if err != nil {
		t.Fatal(err)
	}
	var out lockedBuffer
	cmd := exec.Command(bin, "demo", "--listen", addr)
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stopped := false
	stop := func() {
		if stopped {
			return
		}
		stopped = true
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the demo ended with %v:\n%s", err, out.String())
		}
	}
	t.Cleanup(stop)
	for end := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the demo is not there:\n%s", out.String())
		}
	}
	home := "http://" + addr
	b.Size(1280, 900)
	b.Open(home + "/")
	b.Until(`document.querySelector("main") && document.body.textContent.includes("ip-10-0-1-4")`)

	b.Open(home + "/autoscale")
	b.Eval(`window.before = document.querySelector("#metric0 script").textContent`)
	b.Until(`document.querySelector("#metric0 script").textContent !== window.before`)
	b.UntilWithin(time.Minute, `document.body.textContent.includes("scale out")`)
	b.UntilWithin(time.Minute, `JSON.parse(document.querySelector("#metric0 script").textContent).marks.length > 0`)

	for _, width := range []int{1280, 360} {
		b.Size(width, 900)
		for _, page := range []string{"/", "/hosts/ip-10-0-1-4", "/explore?e=load1", "/logs", "/alerts", "/autoscale"} {
			b.Open(home + page)
			if wide := b.Eval("document.documentElement.scrollWidth").(float64); int(wide) > width {
				t.Errorf("%s is %v wide in a window of %d", page, wide, width)
			}
		}
	}
	b.Open(home + "/logs?q=app:nginx")
	b.Until(`document.querySelectorAll("#lines li").length > 5`)
	b.Open("about:blank")
	b.Clean(home)
	stop()
}

// TestConfigExamples checks the configuration that empty pages offer to copy.
func TestConfigExamples(t *testing.T) {
	for i, text := range pages.ConfigExamples() {
		root, err := parseTree(fmt.Sprint("example ", i), []byte(text))
		if err == nil {
			_, err = configOf(root)
		}
		if err != nil {
			t.Errorf("%v\n%s", err, text)
		}
	}
}
