package script

import (
	"fmt"
	"strings"
	"testing"
)

// show writes instances as a text that a test can compare.
func show(out string) string {
	is, err := parse([]byte(out))
	if err != nil {
		return "error: " + err.Error()
	}
	var b strings.Builder
	for _, i := range is {
		fmt.Fprintf(&b, "%s %s %s %d;", i.ID, i.Phase, i.Zone, i.Launched.Unix())
	}
	return b.String()
}

func TestParse(t *testing.T) {
	t.Parallel()
	f := func(in, want string) {
		t.Helper()
		if got := show(in); got != want {
			t.Errorf("%s\n got %s\nwant %s", in, got, want)
		}
	}
	f("", "")
	f("[]\n", "")
	f(`{"id":"a","launched":1}`+"\n"+`{"id":"b","launched":2.5,"state":"pending","zone":"z"}`, "a booting  1;b pending z 2;")
	f(`[{"id":"a","launched":1,"state":"stopped"},{"id":"b","launched":1,"state":"stopping"}] {"id":"c","launched":1,"state":"terminated","unknown":true}`, "a stopped  1;b terminating  1;c terminated  1;")
	f(`{"id":"a","launched":"2026-01-02T03:04:05+01:00"}`, "a booting  1767319445;")
	f(`{"id":"a","launched":1}{"id":"a","launched":1}`, "error: a is there twice")
	f(`{"id":"a b","launched":1}`, `error: id "a b": want 1 to 200 printable characters without blanks`)
	f(`{"id":"a","launched":1,"state":"fine"}`, `error: a: state "fine": want pending, running, stopping, stopped or terminated`)
	f(`{"id":"a","launched":-1}`, "error: launched -1: want epoch seconds, or a time as RFC 3339")
	f(`{"id":"a","launched":1e300}`, "error: launched 1e300: want epoch seconds, or a time as RFC 3339")
	f(`null`, `error: id "": want 1 to 200 printable characters without blanks`)
	f(`{"id":"a","launched":1`, "error: unexpected EOF")
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"id":"vm-1f2233445566-1","state":"running","zone":"rack-1","launched":1795276725,"hostname":"vm-1f2233445566-1.pool","tags":{"rondo:group":"web"}}`))
	f.Add([]byte(`[{"id":"a","launched":"2026-01-02T03:04:05Z"},{"id":"b","launched":1.5,"state":"pending"}]`))
	f.Fuzz(func(t *testing.T, out []byte) {
		is, err := parse(out)
		if err != nil {
			return
		}
		for _, i := range is {
			if i.ID == "" || i.Launched.IsZero() || i.Phase == "" || strings.ContainsAny(i.ID, " \n\x1b") {
				t.Fatalf("%q gave %+v", out, i)
			}
		}
	})
}
