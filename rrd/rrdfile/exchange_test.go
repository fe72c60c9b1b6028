package rrdfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"rondo/rrd"
	"rondo/rrd/rrdtest"
)

// TestImport takes one file in again and again, as an import that is run
// again does, and others under its name.
func TestImport(t *testing.T) {
	s := rrdtest.NewMemSets(rrdtest.Options{})
	image, err := Decode(testdata(t, "v3.rrd"))
	if err != nil {
		t.Fatal(err)
	}
	other := *image
	other.Definition.Step *= 2
	newer := *image
	newer.State.Last += rrd.Second
	for _, step := range []struct {
		file    []byte
		replace bool
		want    string
	}{
		{encode(t, image), false, "imported"},
		{encode(t, image), false, "skipped"},
		{encodeXML(t, image), false, "skipped"},
		{encode(t, image), true, "imported"},
		{encode(t, &other), false, "set exists already, and has other data sources or archives"},
		{encode(t, &newer), false, "set exists already, and was last updated before the file was"},
		{encode(t, &newer), true, "imported"},
		{encode(t, image), false, "skipped"}, // it was updated since
		{[]byte("RRD"), false, "rrdfile: this is neither an .rrd nor a dump of one"},
	} {
		outcome, err := Import(t.Context(), s, "a/b", bytes.NewReader(step.file), step.replace)
		got := string(outcome)
		if err != nil {
			got = err.Error()
		}
		if got != step.want {
			t.Errorf("want %q, got %q", step.want, got)
		}
	}
	var out bytes.Buffer
	if err := Export(t.Context(), s, "a/b", Binary, &out); err != nil {
		t.Fatal(err)
	}
	again, err := Decode(out.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if diff := diffImages(&newer, again); diff != "" {
		t.Error(diff)
	}
}

func encode(t *testing.T, image *rrd.SetImage) []byte {
	t.Helper()
	raw, err := Append(nil, image)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// fullStore takes no set.
type fullStore struct{ rrd.SetStore }

func (fullStore) ImportSet(context.Context, string, *rrd.SetImage, bool) error {
	return errors.New("no space left")
}

// TestHandler asks for each answer.
func TestHandler(t *testing.T) {
	s := rrdtest.NewMemSets(rrdtest.Options{})
	serve := func(s rrd.SetStore, method, path, body string) string {
		mux := http.NewServeMux()
		mux.Handle("GET /", Handler(s))
		mux.Handle("PUT /", Commands(s))
		w := httptest.NewRecorder()
		http.MaxBytesHandler(mux, 10_000).ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
		text, _ := io.ReadAll(w.Result().Body)
		return fmt.Sprint(w.Code, " ", string(text[:min(len(text), 90)]))
	}
	file := func(name string) string { return "/api/sets/file?name=" + url.QueryEscape(name) }
	raw, long := string(testdata(t, "v3.xml")), string(testdata(t, "xen.xml"))
	for _, step := range []struct {
		store              rrd.SetStore
		method, path, body string
		want               string
	}{
		{s, "PUT", file("x ä/\n"), long, "200 {\"outcome\":\"imported\"}\n"},
		{s, "PUT", file("x ä/\n"), long, "200 {\"outcome\":\"skipped\"}\n"},
		{s, "PUT", file("x ä/\n"), string(testdata(t, "v3.rrd")), "409 {\"error\":\"set exists already, and has other data sources or archives\"}\n"},
		{s, "PUT", file("x ä/\n") + "&replace=true", long, "200 {\"outcome\":\"imported\"}\n"},
		{s, "PUT", file(""), long, "422 {\"error\":\"series has no name\"}\n"},
		{s, "PUT", file("b"), "RRD\x00", "422 {\"error\":\"rrdfile: the file is cut short: it has 4 bytes, and its head alone 128\"}"},
		{s, "PUT", file("b"), strings.Repeat(" ", 10_000) + raw, "413 {\"error\":\"the file is larger than web.limits.max_body; w"},
		{fullStore{s}, "PUT", file("b"), long, "503 {\"error\":\"the store takes no sets: no space left\"}\n"},
		{s, "GET", "/api/sets", "", "200 \"x ä/\\n\"\n"},
		{s, "GET", "/api/sets?prefix=y", "", "200 "},
		{s, "GET", file("b"), "", "404 {\"error\":\"no such set\"}\n"},
		{s, "GET", file("x ä/\n") + "&format=xml", "", `200 <?xml version="1.0" encoding="utf-8"?>`},
		{s, "GET", file("x ä/\n"), "", `422 {"error":"rrdfile: data source \"vbd_xvda_read_latency_of_a_long_name\": a name in a`},
	} {
		got := serve(step.store, step.method, step.path, step.body)
		if !strings.HasPrefix(got, step.want) {
			t.Errorf("%s %s: want %q, got %q", step.method, step.path, step.want, got)
		}
	}
}
