package web_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"rondo/web"
	"rondo/web/static"
	"rondo/web/webtest"
)

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
	b := webtest.Start(t)
	for _, width := range []int{1280, 360} {
		b.Size(width, 900)
		for _, page := range []string{"/", "/hosts/web-1", "/explore?e=load1", "/logs", "/alerts", "/alerts?rule=run-queue&labels=%7Bhost%3D%22web-1%22%7D", "/autoscale"} {
			b.Open(home + page)
			if strings.HasPrefix(page, "/hosts") && hasGraphLibrary() {
				b.Until(`document.querySelectorAll(".uplot canvas").length > 1`)
			}
			if wide := b.Eval("document.documentElement.scrollWidth").(float64); int(wide) > width {
				t.Errorf("%s is %v wide in a window of %d", page, wide, width)
			}
		}
	}
	b.Clean(home)
}

func TestBrowserMovesTheGraphs(t *testing.T) {
	home := served(t, rich(3))
	b := webtest.Start(t)
	b.Size(1280, 900)
	b.Open(home + "/autoscale?from=-15m")
	b.Eval(`window.before = document.querySelector("#metric0 script").textContent`)
	b.Until(`document.querySelector("#metric0 script").textContent !== window.before`)
	b.Clean(home)
}

func TestBrowserZoomsAndGoesBack(t *testing.T) {
	if !hasGraphLibrary() {
		t.Skip("SKIPPED: static/vendor is empty (run web/vendor.sh), so there is nothing to drag")
	}
	home := served(t, rich(3))
	b := webtest.Start(t)
	b.Size(1280, 900)
	b.Open(home + "/hosts/web-1?from=-1h&to=now")
	b.Until(`document.querySelector("#g1 .u-over")`)
	b.Drag("#g1 .u-over", 0.5, 0.7)
	b.Until(`new URLSearchParams(location.search).get("from") > 1e9`)
	at, err := url.Parse(b.Eval("location.href").(string))
	if err != nil || at.Query().Get("to") == "now" {
		t.Errorf("zoomed to %v %v", at, err)
	}
	b.Eval("history.back()")
	b.Until(`new URLSearchParams(location.search).get("from") === "-1h"`)
	b.Open(home + "/logs")
	b.Until(`document.querySelector(".hist > .bars")`)
	b.Drag(".hist > .bars", 0.2, 0.4)
	b.Until(`new URLSearchParams(location.search).get("from") > 1e9`)
	b.Clean(home)
}

func TestBrowserTailsAndTakesKeys(t *testing.T) {
	home := served(t, rich(3))
	b := webtest.Start(t)
	b.Size(1280, 900)
	b.Open(home + "/logs")
	b.Until(`document.querySelector("#lines .new")`)
	if rows := b.Eval(`document.querySelectorAll("#lines li").length`).(float64); rows < 100 {
		t.Errorf("%v lines after the tail caught up", rows)
	}
	// While one reads further down, new lines wait behind a button.
	b.Eval(`scrollTo(0, 1500)`)
	b.Until(`!document.getElementById("fresh").hidden && / new$/.test(document.getElementById("fresh").textContent)`)
	b.Eval(`document.getElementById("fresh").click()`)
	b.Until(`document.getElementById("fresh").hidden`)
	b.Key("?")
	b.Until(`document.getElementById("sheet").open`)
	b.Eval(`document.getElementById("sheet").close()`)
	b.Key("g")
	b.Key("a")
	b.Until(`location.pathname === "/alerts" && document.readyState === "complete"`)
	b.Eval(`document.getElementById("theme").click(); document.getElementById("theme").click()`)
	b.Open(home + "/")
	b.Until(`document.documentElement.dataset.theme === "dark"`)
	b.Clean(home)
}

// A query that is wrong says where; one that is right has its rows, a graph
// and, when somebody asks, its plan; a line leads to its neighbours.
func TestBrowserAsksQueries(t *testing.T) {
	home := served(t, rich(3))
	b := webtest.Start(t)
	for _, width := range []int{1440, 390} {
		b.Size(width, 900)
		b.Open(home + "/logs?q=" + url.QueryEscape("app:nginx | top 5 hots"))
		b.Until(`document.querySelector(".wrong mark").textContent === "hots"`)
		b.Open(home + "/logs?q=" + url.QueryEscape("app:nginx | stats count() by host, bin(1m)"))
		b.Until(`document.querySelectorAll("#answer tbody tr").length > 3 && document.querySelector("#answer0 .plot")`)
		b.Eval(`document.querySelector("#plan summary").click()`)
		b.Until(`/the store counts/.test(document.querySelector("#plan ol")?.textContent)`)
		if wide := b.Eval("document.documentElement.scrollWidth").(float64); int(wide) > width {
			t.Errorf("the answer is %v wide in a window of %d", wide, width)
		}
		b.Open(home + "/logs?q=app:kernel&from=-3h")
		b.Until(`document.querySelector("#lines .t")`)
		b.Eval(`document.querySelector("#lines .t").click()`)
		b.Until(`new URLSearchParams(location.search).has("line") && document.getElementById("at")`)
	}
	b.Clean(home)
}
