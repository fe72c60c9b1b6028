package redirect

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestTokenRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := signer{[]byte("0123456789abcdef"), rapid.String().Draw(t, "group")}
		first := time.UnixMilli(rapid.Int64Range(0, 1<<45).Draw(t, "first"))
		want := token{first, first.Add(time.Duration(rapid.Int64Range(0, 1<<30).Draw(t, "lasted")) * time.Millisecond), rapid.StringMatching(`[a-z0-9-]{1,64}`).Draw(t, "id")}
		value := s.write(want)
		got, ok := s.read(value)
		if !ok || got != want {
			t.Fatalf("got %+v %v, want %+v", got, ok, want)
		}
		if _, ok := (signer{s.key, s.group + "x"}).read(value); ok {
			t.Fatal("another group takes it")
		}
		if _, ok := (signer{[]byte("another key, as long"), s.group}).read(value); ok {
			t.Fatal("another key takes it")
		}
		at := rapid.IntRange(0, len(value)-1).Draw(t, "at")
		changed := value[:at] + string(rapid.SampledFrom([]rune("ABCxyz019-_")).Draw(t, "to")) + value[at+1:]
		if _, ok := s.read(changed); ok && changed != value {
			t.Fatalf("%s is taken, written was %s", changed, value)
		}
	})
}

// FuzzToken: no cookie is taken that was not written here, and none panics.
func FuzzToken(f *testing.F) {
	s := signer{[]byte("0123456789abcdef"), "web"}
	f.Add(s.write(token{time.UnixMilli(1), time.UnixMilli(2), "i-1"}))
	f.Add("")
	f.Add("AQ")
	f.Add(strings.Repeat("A", maxToken+1))
	f.Fuzz(func(t *testing.T, value string) {
		if got, ok := s.read(value); ok && s.write(got) != value {
			t.Fatalf("%q is taken as %+v, which is written %q", value, got, s.write(got))
		}
	})
}
