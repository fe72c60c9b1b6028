package webtest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience is how long a page may take to come to rest; it is no measure of
// its speed.
const patience = 20 * time.Second

// A Browser is a headless Chromium, spoken to in its own protocol over a pair
// of pipes: messages of JSON, each ended by a zero byte.
type Browser struct {
	t       *testing.T
	in      *os.File
	session string

	mu      sync.Mutex
	id      int
	waiting map[int]chan json.RawMessage
	faults  []string // what the console and the network complained of
	asked   []string // URLs
}

type message struct {
	ID     int             `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  json.RawMessage `json:"error"`
}

// Start opens a browser with one empty page. It skips, loudly, where no
// Chromium is installed.
func Start(t *testing.T) *Browser {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("SKIPPED: chromium is not installed, so no page was opened in a browser")
	}
	theirIn, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, theirOut, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--user-data-dir="+t.TempDir(), "--remote-debugging-pipe", "about:blank")
	cmd.ExtraFiles = []*os.File{theirIn, theirOut}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_, _ = theirIn.Close(), theirOut.Close()
	b := &Browser{t: t, in: in, waiting: make(map[int]chan json.RawMessage)}
	done := make(chan bool)
	go func() { defer close(done); b.read(out) }()
	t.Cleanup(func() {
		b.Call("Browser.close", nil, nil)
		_ = in.Close()
		_ = cmd.Wait() // it was told to end; how it did is its own affair
		_ = out.Close()
		<-done
	})
	b.attach()
	return b
}

func (b *Browser) attach() {
	b.t.Helper()
	var target struct{ TargetID string }
	b.Call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var session struct{ SessionID string }
	b.Call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &session)
	b.session = session.SessionID
	for _, domain := range []string{"Runtime", "Log", "Network", "Page"} {
		b.Call(domain+".enable", nil, nil)
	}
}

func (b *Browser) read(out *os.File) {
	r := bufio.NewReader(out)
	for {
		raw, err := r.ReadBytes(0)
		if err != nil {
			return
		}
		var m message
		if json.Unmarshal(raw[:len(raw)-1], &m) != nil {
			continue
		}
		b.mu.Lock()
		if c := b.waiting[m.ID]; c != nil {
			delete(b.waiting, m.ID)
			c <- m.Result
		}
		b.note(m)
		b.mu.Unlock()
	}
}

// note keeps what a page must not do.
func (b *Browser) note(m message) {
	switch m.Method {
	case "Runtime.exceptionThrown", "Log.entryAdded":
		b.faults = append(b.faults, string(m.Params))
	case "Runtime.consoleAPICalled":
		b.faults = append(b.faults, string(m.Params))
	case "Network.requestWillBeSent":
		var p struct{ Request struct{ URL string } }
		if json.Unmarshal(m.Params, &p) == nil {
			b.asked = append(b.asked, p.Request.URL)
		}
	}
}

// Call sends one command of the debugging protocol and waits for its answer.
func (b *Browser) Call(method string, params map[string]any, into any) {
	b.t.Helper()
	c := make(chan json.RawMessage, 1)
	b.mu.Lock()
	b.id++
	b.waiting[b.id] = c
	text, err := json.Marshal(map[string]any{"id": b.id, "method": method, "params": params, "sessionId": b.session})
	if b.session == "" {
		text, err = json.Marshal(map[string]any{"id": b.id, "method": method, "params": params})
	}
	b.mu.Unlock()
	if err == nil {
		_, err = b.in.Write(append(text, 0))
	}
	if err != nil {
		b.t.Fatalf("%s: %v", method, err)
	}
	select {
	case res := <-c:
		// No result: the page left while it was asked.
		if into != nil && len(res) > 0 && json.Unmarshal(res, into) != nil {
			b.t.Fatalf("%s: %s", method, res)
		}
	case <-time.After(patience):
		b.t.Fatalf("%s: no answer", method)
	}
}

// Eval runs a script in the page.
func (b *Browser) Eval(script string) any {
	b.t.Helper()
	var r struct {
		Result           struct{ Value any }
		ExceptionDetails *struct{ Text string }
	}
	b.Call("Runtime.evaluate", map[string]any{"expression": script, "returnByValue": true, "awaitPromise": true}, &r)
	if r.ExceptionDetails != nil {
		b.t.Fatalf("%s: %s", script, r.ExceptionDetails.Text)
	}
	return r.Result.Value
}

// Until waits for a condition of the page, a script's expression.
func (b *Browser) Until(script string) {
	b.t.Helper()
	b.UntilWithin(patience-5*time.Second, script)
}

// UntilWithin is Until with a time of its own.
func (b *Browser) UntilWithin(d time.Duration, script string) {
	b.t.Helper()
	look := fmt.Sprintf(`(() => { try { return Boolean(%s) } catch { return false } })()`, script)
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if b.Eval(look) == true {
			return
		}
	}
	b.t.Errorf("never came: %s", script)
}

// Open goes to an address and waits until the page is complete.
func (b *Browser) Open(address string) {
	b.t.Helper()
	b.Call("Page.navigate", map[string]any{"url": address}, nil)
	b.Until(fmt.Sprintf(`location.href === %q && document.readyState === "complete"`, address))
}

// Size sets the window.
func (b *Browser) Size(width, height int) {
	b.t.Helper()
	b.Call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}, nil)
}

// Drag pulls the mouse over an element, from and to as shares of its width.
func (b *Browser) Drag(selector string, from, to float64) {
	b.t.Helper()
	box := b.Eval(fmt.Sprintf(`(() => { const e = document.querySelector(%q); e.scrollIntoView({ block: "center" }); const r = e.getBoundingClientRect(); return [r.left, r.width, r.top + r.height / 2]; })()`, selector)).([]any)
	left, width, y := box[0].(float64), box[1].(float64), box[2].(float64)
	mouse := func(kind string, at float64, buttons int) {
		b.Call("Input.dispatchMouseEvent", map[string]any{"type": kind, "x": left + width*at, "y": y, "button": "left", "buttons": buttons, "clickCount": 1}, nil)
	}
	mouse("mouseMoved", from, 0)
	mouse("mousePressed", from, 1)
	for i := range 5 {
		mouse("mouseMoved", from+(to-from)*float64(i+1)/5, 1)
	}
	mouse("mouseReleased", to, 0)
}

// Clean fails for what the pages complained of, or asked of another host.
func (b *Browser) Clean(home string) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range b.faults {
		b.t.Errorf("the browser complained: %s", f)
	}
	for _, u := range b.asked {
		if !strings.HasPrefix(u, home) && !strings.HasPrefix(u, "data:") && u != "about:blank" {
			b.t.Errorf("a page asked another host: %s", u)
		}
	}
}

// Key presses and releases a key.
func (b *Browser) Key(k string) {
	b.t.Helper()
	b.Call("Input.dispatchKeyEvent", map[string]any{"type": "keyDown", "key": k, "text": k}, nil)
	b.Call("Input.dispatchKeyEvent", map[string]any{"type": "keyUp", "key": k}, nil)
}
