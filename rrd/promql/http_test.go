package promql

import (
	"errors"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"rondo/rrd"
)

// httpStore holds two gauges, a Graphite path and a counter, each with samples
// every 10 s from 1000 s to 1100 s.
func httpStore(t testing.TB) *memory {
	t.Helper()
	m := newMemory(t)
	add := func(typ rrd.Type, name string, f func(i float64) float64, ls ...rrd.Label) {
		key, err := rrd.NewKey(name, ls...)
		if err != nil {
			t.Fatal(err)
		}
		def := rrd.DefaultDefinition()
		def.Type = typ
		for i := range 11 {
			m.add(key, def, point{rrd.Time(1000+10*i) * rrd.Second, f(float64(i))})
		}
	}
	add(rrd.Gauge, "load1", func(i float64) float64 { return i / 4 }, rrd.Label{Name: "host", Value: "a"})
	add(rrd.Gauge, "load1", func(i float64) float64 { return i * 2 }, rrd.Label{Name: "host", Value: "b \"q\" \\ ü\n\x01"}, rrd.Label{Name: "my.dc", Value: "x"})
	add(rrd.Gauge, "fleet.web.i-1.load1", func(i float64) float64 { return i })
	add(rrd.Counter, "net_received_bytes", func(i float64) float64 { return 100 * i })
	return m
}

func TestHTTP(t *testing.T) {
	f := func(url string, status int, want string) {
		t.Helper()
		w := httptest.NewRecorder()
		newHandler(t).ServeHTTP(w, httptest.NewRequest("GET", "/api/v1/"+url, nil))
		if d := cmp.Diff(want, w.Body.String()); w.Code != status || d != "" {
			t.Errorf("%s: status %d, want %d (-want +got)\n%s", url, w.Code, status, d)
		}
		if ct := w.Header().Get("Content-Type"); ct != "application/json" {
			t.Errorf("%s: content type %q", url, ct)
		}
	}
	ok := func(url, data string) {
		t.Helper()
		f(url, 200, `{"status":"success","data":`+data+`}`)
	}
	fails := func(url string, status int, kind, text string) {
		t.Helper()
		f(url, status, `{"status":"error","errorType":"`+kind+`","error":`+string(appendJSONString(nil, text))+`}`)
	}

	// Grafana's health check, and every type of result.
	ok("query?query=1%2B1&time=4", `{"resultType":"scalar","result":[4,"2"]}`)
	ok("query?query=vector(1)/0&time=4.5", `{"resultType":"vector","result":[{"metric":{},"value":[4.500,"+Inf"]}]}`)
	ok("query?query=-1/0&time=-0.25", `{"resultType":"scalar","result":[-0.250,"-Inf"]}`)
	ok("query?query=0/0&time=2015-07-01T20:10:51.781Z", `{"resultType":"scalar","result":[1435781451.781,"NaN"]}`)
	ok(`query?query="a%5Cnb"&time=4`, `{"resultType":"string","result":[4,"a\nb"]}`)
	ok("query?query=load1&time=1020", `{"resultType":"vector","result":[`+
		`{"metric":{"__name__":"load1","host":"a"},"value":[1020,"0.5"]},`+
		`{"metric":{"__name__":"load1","host":"b \"q\" \\ ü\n\u0001","my.dc":"x"},"value":[1020,"4"]}]}`)
	ok(`query?query=load1{host="a"}[25s]&time=1020.5`, `{"resultType":"matrix","result":[`+
		`{"metric":{"__name__":"load1","host":"a"},"values":[[1000,"0"],[1010,"0.25"],[1020,"0.5"]]}]}`)
	ok(`query_range?query={"fleet.web.i-1.load1"}&start=1000&end=1020&step=10`, `{"resultType":"matrix","result":[`+
		`{"metric":{"__name__":"fleet.web.i-1.load1"},"values":[[1000,"0"],[1010,"1"],[1020,"2"]]}]}`)
	ok("query_range?query=time()/6e9&start=0&end=60&step=1m", `{"resultType":"matrix","result":[{"metric":{},"values":[[0,"0"],[60,"1e-08"]]}]}`)
	ok("query?query=nothing&time=1020", `{"resultType":"vector","result":[]}`)
	ok("query?query=rate(net_received_bytes[1m])&time=1100", `{"resultType":"vector","result":[{"metric":{},"value":[1100,"10"]}]}`)
	f("query?query=load1&time=1020&limit=1", 200, `{"status":"success","data":{"resultType":"vector","result":[`+
		`{"metric":{"__name__":"load1","host":"a"},"value":[1020,"0.5"]}]},"warnings":["results truncated due to limit"]}`)
	f("query?query=rate({\"fleet.web.i-1.load1\"}[1m])&time=1100", 200, `{"status":"success","data":{"resultType":"vector","result":[`+
		`{"metric":{},"value":[1100,"0.1"]}]},"infos":["PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: \"fleet.web.i-1.load1\" (1:6)"]}`)
	f("query?query=max_over_time(load1{host=\"a\"}[5s])&time=1020", 200, `{"status":"success","data":{"resultType":"vector","result":[`+
		`{"metric":{"host":"a"},"value":[1020,"0.5"]}]},"warnings":["PromQL warning: the window of load1{host=\"a\"}[5s] was widened from 5s to 20s, two rows of the archive that answered (1:15)"]}`)

	// Names.
	ok("labels", `["__name__","host","my.dc"]`)
	ok("labels?match[]=net_received_bytes&match[]={host=\"a\"}&start=1&end=2", `["__name__","host"]`)
	ok("label/__name__/values?match[]=load1&match[]=net_received_bytes", `["load1","net_received_bytes"]`)
	ok("label/U__my_2e_dc/values", `["x"]`)
	ok("label/none/values", `[]`)
	f("label/__name__/values?limit=1", 200, `{"status":"success","data":["fleet.web.i-1.load1"],"warnings":["results truncated due to limit"]}`)
	ok(`series?match[]={host="a"}&match[]={__name__=~"load.*",host="a"}`, `[{"__name__":"load1","host":"a"}]`)
	ok("series?match[]=none", `[]`)
	ok("metadata?limit=1", `{"fleet.web.i-1.load1":[{"type":"unknown","help":"","unit":""}]}`) // long dead
	ok("format_query?query=sum(load1)by(host)", `"sum by (host) (load1)"`)

	// What is wrong, in Prometheus' words.
	fails("query?query=up(&time=4", 400, "bad_data", `invalid parameter "query": 1:4: parse error: unclosed left parenthesis`)
	fails("query?time=4", 400, "bad_data", `invalid parameter "query": unknown position: parse error: no expression found in input`)
	fails("query?query=1&time=x", 400, "bad_data", `invalid parameter "time": cannot parse "x" to a valid timestamp`)
	fails("query?query=1&time=NaN", 400, "bad_data", `invalid parameter "time": cannot parse "NaN" to a valid timestamp`)
	fails("query?query=1&timeout=x", 400, "bad_data", `invalid parameter "timeout": cannot parse "x" to a valid duration`)
	fails("query?query=1&limit=-1", 400, "bad_data", `invalid parameter "limit": limit must be non-negative`)
	fails("query?query=load1%2Bon()load1&time=1020", 422, "execution", `found duplicate series for the match group {} on the right hand-side of the operation: [{__name__="load1", host="a"}, {__name__="load1", host="b \"q\" \\ ü\n\x01", "my.dc"="x"}];many-to-many matching not allowed: matching labels must be unique on one side`)
	fails("query_range?query=1&end=2&step=1", 400, "bad_data", `invalid parameter "start": cannot parse "" to a valid timestamp`)
	fails("query_range?query=1&start=3&end=2&step=1", 400, "bad_data", `invalid parameter "end": end timestamp must not be before start time`)
	fails("query_range?query=1&start=1&end=2&step=0", 400, "bad_data", `invalid parameter "step": zero or negative query resolution step widths are not accepted. Try a positive integer`)
	fails("query_range?query=1&start=0&end=11001&step=1", 400, "bad_data", `exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)`)
	fails("query_range?query=1&start=0&end=9999999999&step=1", 400, "bad_data", `exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)`)
	fails("query_range?query=x[1m]&start=0&end=1&step=1", 400, "bad_data", `invalid parameter "query": invalid expression type "range vector" for range query, must be Scalar or instant Vector`)
	fails("series", 400, "bad_data", `no match[] parameter provided`)
	fails("series?match[]={}", 400, "bad_data", `match[] must contain at least one non-empty matcher`)
	fails("labels?match[]=(", 400, "bad_data", `invalid parameter "match[]": 1:1: parse error: unexpected "("`)
	fails("label/U__/values", 400, "bad_data", `invalid label name: ""`)
	fails("query?query=load1&time=1020&timeout=0", 503, "timeout", `query timed out in query queue`)
}

// TestMetadata looks at series that are alive now.
func TestMetadata(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t)
		for name, typ := range map[rrd.Key]rrd.Type{"sent": rrd.Counter, "level": rrd.Gauge} {
			def := rrd.DefaultDefinition()
			def.Type = typ
			m.add(name, def, point{rrd.At(time.Now()), 1})
		}
		w := httptest.NewRecorder()
		New(m, m, Options{}).Handler().ServeHTTP(w, httptest.NewRequest("GET", "/api/v1/metadata", nil))
		want := `{"status":"success","data":{"level":[{"type":"gauge","help":"","unit":""}],"sent":[{"type":"counter","help":"","unit":""}]}}`
		if d := cmp.Diff(want, w.Body.String()); d != "" {
			t.Error(d)
		}
	})
}

func newHandler(t testing.TB) http.Handler {
	m := httpStore(t)
	return New(m, m, Options{Version: "1.0"}).Handler()
}

// TestPost sends queries as Grafana does.
func TestPost(t *testing.T) {
	post := func(path, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("POST", "/api/v1/"+path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		newHandler(t).ServeHTTP(w, r)
		return w
	}
	form := url.Values{"query": {`sum(load1{host=~"a|b.*"})`}, "start": {"1000.000"}, "end": {"1010"}, "step": {"10"}}
	want := `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1000,"0"],[1010,"2.25"]]}]}}`
	if w := post("query_range", form.Encode()); w.Code != 200 || w.Body.String() != want {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := post("query", "query="+strings.Repeat("x", maxBody)); w.Code != 400 || !strings.Contains(w.Body.String(), "request body too large") {
		t.Errorf("a body without end: %d %s", w.Code, w.Body)
	}
	if w := post("query", "query="+strings.Repeat("1%2B", maxQueryWords)+"1"); w.Code != 400 || !strings.Contains(w.Body.String(), "names, operators and brackets") {
		t.Errorf("a query without end: %d %.200s", w.Code, w.Body)
	}
	if w := post("label/host/values", ""); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("label values by POST: %d", w.Code)
	}
}

func TestStoreFails(t *testing.T) {
	m := httpStore(t)
	m.fail = errors.New("disk on fire")
	h := New(m, m, Options{}).Handler()
	for _, path := range []string{"query?query=x", "labels", "label/a/values", "series?match[]=x", "metadata"} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/api/v1/"+path, nil))
		if w.Code != 500 || !strings.Contains(w.Body.String(), `"errorType":"internal","error":"reading the archives: disk on fire"`) {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

func TestAppendValue(t *testing.T) {
	f := func(v float64, want string) {
		t.Helper()
		if got := string(appendValue(nil, v)); got != want {
			t.Errorf("%v: got %s, want %s", v, got, want)
		}
	}
	f(0, "0")
	f(math.Copysign(0, -1), "-0")
	f(1e20, "100000000000000000000")
	f(1e21, "1e+21")
	f(0.000001, "0.000001")
	f(-1e-7, "-1e-07")
	f(math.NaN(), "NaN")
	f(math.Inf(1), "+Inf")
	f(1.0/3, "0.3333333333333333")
}

func BenchmarkWriteMatrix(b *testing.B) {
	m := httpStore(b)
	e := New(m, m, Options{})
	a, err := e.overRange(b.Context(), "load1", time.Unix(1000, 0), time.Unix(1100, 0), 10*time.Millisecond)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		j := &jsonWriter{w: httptest.NewRecorder()}
		j.value(a.value)
		if err := j.flush(); err != nil {
			b.Fatal(err)
		}
	}
}
