package web_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"rondo/web"
	"rondo/web/static"
)

// patience is how long a page may take to come to rest; it is no measure of
// its speed.
const patience = 20 * time.Second

// A browser is a headless Chromium, spoken to in its own protocol over a pair
// of pipes: messages of JSON, each ended by a zero byte.
type browser struct {
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

// startBrowser opens a browser with one empty page. It skips, loudly, where no
// Chromium is installed.
func startBrowser(t *testing.T) *browser {
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
	b := &browser{t: t, in: in, waiting: make(map[int]chan json.RawMessage)}
	done := make(chan bool)
	go func() { defer close(done); b.read(out) }()
	t.Cleanup(func() {
		b.call("Browser.close", nil, nil)
		_ = in.Close()
		_ = cmd.Wait() // it was told to end; how it did is its own affair
		_ = out.Close()
		<-done
	})
	b.attach()
	return b
}

func (b *browser) attach() {
	b.t.Helper()
	var target struct{ TargetID string }
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var session struct{ SessionID string }
	b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &session)
	b.session = session.SessionID
	for _, domain := range []string{"Runtime", "Log", "Network", "Page"} {
		b.call(domain+".enable", nil, nil)
	}
}

func (b *browser) read(out *os.File) {
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
func (b *browser) note(m message) {
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

// call sends one command and waits for its answer.
func (b *browser) call(method string, params map[string]any, into any) {
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

// eval runs a script in the page.
func (b *browser) eval(script string) any {
	b.t.Helper()
	var r struct {
		Result           struct{ Value any }
		ExceptionDetails *struct{ Text string }
	}
	b.call("Runtime.evaluate", map[string]any{"expression": script, "returnByValue": true, "awaitPromise": true}, &r)
	if r.ExceptionDetails != nil {
		b.t.Fatalf("%s: %s", script, r.ExceptionDetails.Text)
	}
	return r.Result.Value
}

// until waits for a condition of the page.
func (b *browser) until(script string) {
	b.t.Helper()
	wait := fmt.Sprintf(`new Promise((ok) => { const end = Date.now() + %d; const look = () => {
		let is = false; try { is = %s } catch {}
		if (is) ok(true); else if (Date.now() > end) ok(false); else setTimeout(look, 50); }; look(); })`, (patience - 5*time.Second).Milliseconds(), script)
	for range 5 { // a page that leaves while it is asked is asked again on the next one
		if is := b.eval(wait); is == true {
			return
		} else if is == false {
			break
		}
	}
	b.t.Errorf("never came: %s", script)
}

func (b *browser) open(address string) {
	b.t.Helper()
	b.call("Page.navigate", map[string]any{"url": address}, nil)
	b.until(fmt.Sprintf(`location.href === %q && document.readyState === "complete"`, address))
}

// size sets the window.
func (b *browser) size(width, height int) {
	b.t.Helper()
	b.call("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}, nil)
}

// drag pulls the mouse over an element, from and to as shares of its width.
func (b *browser) drag(selector string, from, to float64) {
	b.t.Helper()
	box := b.eval(fmt.Sprintf(`(() => { const e = document.querySelector(%q); e.scrollIntoView({ block: "center" }); const r = e.getBoundingClientRect(); return [r.left, r.width, r.top + r.height / 2]; })()`, selector)).([]any)
	left, width, y := box[0].(float64), box[1].(float64), box[2].(float64)
	mouse := func(kind string, at float64, buttons int) {
		b.call("Input.dispatchMouseEvent", map[string]any{"type": kind, "x": left + width*at, "y": y, "button": "left", "buttons": buttons, "clickCount": 1}, nil)
	}
	mouse("mouseMoved", from, 0)
	mouse("mousePressed", from, 1)
	for i := range 5 {
		mouse("mouseMoved", from+(to-from)*float64(i+1)/5, 1)
	}
	mouse("mouseReleased", to, 0)
}

// clean fails for what the pages complained of, or asked of another host.
func (b *browser) clean(home string) {
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

// served runs the pages for a browser.
func served(t *testing.T, deps web.Deps) string {
	t.Helper()
	addr, stop := running(t, web.Default(), newServer(t, web.Default(), deps), "")
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	return "http://" + addr
}

// hasGraphLibrary says whether uPlot was installed before the build.
func hasGraphLibrary() bool {
	f, err := static.FS().Open("vendor/uPlot.esm.js")
	if err != nil {
		return false
	}
	return errors.Join(f.Close()) == nil
}

func TestBrowserOpensEveryPage(t *testing.T) {
	home := served(t, rich(5))
	b := startBrowser(t)
	for _, width := range []int{1280, 360} {
		b.size(width, 900)
		for _, page := range []string{"/", "/hosts/web-1", "/explore?e=load1", "/logs", "/alerts", "/autoscale"} {
			b.open(home + page)
			if strings.HasPrefix(page, "/hosts") && hasGraphLibrary() {
				b.until(`document.querySelectorAll(".uplot canvas").length > 1`)
			}
			if wide := b.eval("document.documentElement.scrollWidth").(float64); int(wide) > width {
				t.Errorf("%s is %v wide in a window of %d", page, wide, width)
			}
		}
	}
	b.clean(home)
}

func TestBrowserMovesTheGraphs(t *testing.T) {
	home := served(t, rich(3))
	b := startBrowser(t)
	b.size(1280, 900)
	b.open(home + "/autoscale?from=-15m")
	b.eval(`window.before = document.querySelector("#metric0 script").textContent`)
	b.until(`document.querySelector("#metric0 script").textContent !== window.before`)
	b.clean(home)
}

func TestBrowserZoomsAndGoesBack(t *testing.T) {
	if !hasGraphLibrary() {
		t.Skip("SKIPPED: static/vendor is empty (run web/vendor.sh), so there is nothing to drag")
	}
	home := served(t, rich(3))
	b := startBrowser(t)
	b.size(1280, 900)
	b.open(home + "/hosts/web-1?from=-1h&to=now")
	b.until(`document.querySelector("#g1 .u-over")`)
	b.drag("#g1 .u-over", 0.5, 0.7)
	b.until(`new URLSearchParams(location.search).get("from") > 1e9`)
	at, err := url.Parse(b.eval("location.href").(string))
	if err != nil || at.Query().Get("to") == "now" {
		t.Errorf("zoomed to %v %v", at, err)
	}
	b.eval("history.back()")
	b.until(`new URLSearchParams(location.search).get("from") === "-1h"`)
	b.open(home + "/logs")
	b.until(`document.querySelector(".hist > svg")`)
	b.drag(".hist > svg", 0.2, 0.4)
	b.until(`new URLSearchParams(location.search).get("from") > 1e9`)
	b.clean(home)
}

func TestBrowserTailsAndTakesKeys(t *testing.T) {
	home := served(t, rich(3))
	b := startBrowser(t)
	b.size(1280, 900)
	b.open(home + "/logs")
	b.until(`document.querySelector("#lines .new")`)
	if rows := b.eval(`document.querySelectorAll("#lines li").length`).(float64); rows < 100 {
		t.Errorf("%v lines after the tail caught up", rows)
	}
	// While one reads further down, new lines wait behind a button.
	b.eval(`scrollTo(0, 1500)`)
	b.until(`!document.getElementById("fresh").hidden && / new$/.test(document.getElementById("fresh").textContent)`)
	b.eval(`document.getElementById("fresh").click()`)
	b.until(`document.getElementById("fresh").hidden`)
	key := func(k string) {
		b.call("Input.dispatchKeyEvent", map[string]any{"type": "keyDown", "key": k, "text": k}, nil)
		b.call("Input.dispatchKeyEvent", map[string]any{"type": "keyUp", "key": k}, nil)
	}
	key("?")
	b.until(`document.getElementById("sheet").open`)
	b.eval(`document.getElementById("sheet").close()`)
	key("g")
	key("a")
	b.until(`location.pathname === "/alerts" && document.readyState === "complete"`)
	b.eval(`document.getElementById("theme").click(); document.getElementById("theme").click()`)
	b.open(home + "/")
	b.until(`document.documentElement.dataset.theme === "dark"`)
	b.clean(home)
}
