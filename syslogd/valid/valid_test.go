package valid

import (
	"errors"
	"fmt"
	"testing"
)

func TestOneOf(t *testing.T) {
	type mode string
	for _, v := range []mode{"", "failover", "balance"} {
		if err := OneOf("mode", v, "", "failover", "balance"); err != nil {
			t.Error(err)
		}
	}
	err := OneOf[mode]("mode", "any", "", "failover", "balance")
	if want := `mode: "any" is none of failover, balance`; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if err := OneOf[mode]("mode", "", "failover"); err == nil {
		t.Error("nothing is taken where something is wanted")
	}
}

func TestErrors(t *testing.T) {
	a, b, c := errors.New("a"), errors.New("b"), errors.New("c")
	got := Errors(errors.Join(a, nil, errors.Join(b, errors.Join(c))))
	if fmt.Sprint(got) != "[a b c]" {
		t.Error(got)
	}
	if got := Errors(a); len(got) != 1 || got[0] != a {
		t.Error(got)
	}
	if got := Errors(nil); len(got) != 0 {
		t.Error(got)
	}
}
