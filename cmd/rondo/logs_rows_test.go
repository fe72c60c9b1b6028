package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"rondo/syslogd/query"
)

// TestRowTable prints answers of rows, whole ones and others.
func TestRowTable(t *testing.T) {
	f := func(answer, want, wantErr string) {
		t.Helper()
		var out strings.Builder
		table := rowTable{out: bufio.NewWriter(&out)}
		err := table.read(json.NewDecoder(strings.NewReader(answer)))
		table.align()
		if err := table.out.Flush(); err != nil {
			t.Fatal(err)
		}
		if out.String() != want {
			t.Errorf("%s\nprints\n%s\nwant\n%s", answer, out.String(), want)
		}
		if wantErr == "" && err != nil || wantErr != "" && (err == nil || !strings.Contains(err.Error(), wantErr)) {
			t.Errorf("%s: error %v, want %q", answer, err, wantErr)
		}
	}
	const head = `{"columns":[{"name":"app","type":"text"},{"name":"count","type":"number"}]}`
	f(head+`{"app":"nginx","count":12040000}{"app":"a\u001b[31mb","count":7}{"status":{"rows":2,"scanned":0}}`,
		"app         count\nnginx    12040000\na.[31mb         7\n", "")
	f(head+`{"status":{"rows":0,"scanned":0}}`, "app  count\n", "")
	f(head+`{"app":"x","count":null}{"status":{"rows":1,"scanned":1,"incomplete":[{"limit":"groups","max":"1","left_out":7}]}}`,
		"app  count\nx\n", "incomplete: at most 1 groups (7 left out)")
	f(head+`{"app":"x","count":1}{"status":{"rows":1,"scanned":1,"error":"disk on fire"}}`, "app  count\nx        1\n", "disk on fire")
	f(head+`{"app":"x","count":1}`, "app  count\nx        1\n", "broke off")
	f(head+`{"app":"x"`, "app  count\n", "broke off")
	f(`{"columns":[{"name":"host","type":"text"}],"open":true}{"host":"a","z":"1","b":"2"}{"status":"up"}{"status":{"rows":2,"scanned":2,"notes":["5 values are no numbers"]}}`,
		"host  b  z  status\na     2  1\n            up\n# 5 values are no numbers\n", "")
}

func TestPointed(t *testing.T) {
	err := pointed("größe | top hots", &query.SyntaxError{Offset: 14, Msg: "no such thing"})
	if want := "position 15: no such thing\n  größe | top hots\n              ^"; err.Error() != want {
		t.Errorf("%q, want %q", err, want)
	}
	plain := errors.New("plain")
	if pointed("x", plain) != plain {
		t.Error("another error")
	}
}
