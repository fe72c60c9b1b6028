package relp

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// opening is what librelp 1.11.0 sends first.
const opening = "1 open 86 relp_version=0\nrelp_software=librelp,1.11.0,http://librelp.adiscon.com\ncommands=syslog\n"

func readAll(r io.Reader, max int) (all []Frame, err error) {
	for reader := NewReader(r, max); err == nil; {
		all, err = reader.Append(all)
	}
	return all, err
}

func TestReader(t *testing.T) {
	check := func(in string, want error, frames ...Frame) {
		t.Helper()
		for _, r := range []io.Reader{strings.NewReader(in), iotest.OneByteReader(strings.NewReader(in))} {
			got, err := readAll(r, 40)
			if !errors.Is(err, want) || !slices.Equal(got, frames) {
				t.Errorf("%q: %+v, %v", in, got, err)
			}
		}
	}
	check("", io.EOF)
	check("1 syslog 3 abc\n", io.EOF, Frame{1, "syslog", "abc", false})
	check("999999999 syslog 3 a\nc\n1 close 0\n", io.EOF, Frame{999999999, "syslog", "a\nc", false}, Frame{1, "close", "", false})
	check("2 close 0 \n", io.EOF, Frame{2, "close", "", false})
	check("1 syslog 3 abc", io.EOF) // not complete: not answered
	check("1 syslog", io.EOF)
	check("7 syslog 50 "+strings.Repeat("x", 50)+"\n8 syslog 1 y\n", io.EOF,
		Frame{7, "syslog", strings.Repeat("x", 40), true}, Frame{8, "syslog", "y", false})
	check("1 syslog 3 abcd\n", ErrSyntax)
	check("1 syslog 50 "+strings.Repeat("x", 51)+"\n", ErrSyntax, Frame{1, "syslog", strings.Repeat("x", 40), true})
	check("<34>Oct 11 22:14:15 h su: plain syslog\n", ErrSyntax)
	check("1234567890 syslog 1 x\n", ErrSyntax)
	check("1  syslog 1 x\n", ErrSyntax)
	check("1 sys-log 1 x\n", ErrSyntax)
	check("1 "+strings.Repeat("x", 33)+" 1 x\n", ErrSyntax)
	check("1 syslog 1234567890 x\n", ErrSyntax)
	check("1 syslog 1\n", ErrSyntax)
	check("1 syslog x\n", ErrSyntax)
	check("1 syslog 999999999 x", ErrTooLong)
}

func TestOffers(t *testing.T) {
	frames, err := readAll(strings.NewReader(opening), 1000)
	if err != io.EOF || len(frames) != 1 || frames[0].Command != Open {
		t.Fatal(frames, err)
	}
	o := ParseOffers(frames[0].Data)
	want := Offers{Version, "librelp,1.11.0,http://librelp.adiscon.com", []string{"syslog"}}
	if diff := cmp.Diff(want, o); diff != "" || !o.Has(Syslog) || o.Has("starttls") {
		t.Error(diff)
	}
	if o.String() != frames[0].Data {
		t.Errorf("%q", o.String())
	}
}

// What is written is read, however it arrives.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		frames := rapid.SliceOf(rapid.Custom(func(t *rapid.T) Frame {
			return Frame{
				Txnr:    rapid.IntRange(0, 999999999).Draw(t, "txnr"),
				Command: rapid.StringMatching("[a-zA-Z]{1,32}").Draw(t, "command"),
				Data:    string(rapid.SliceOf(rapid.Byte()).Draw(t, "data")),
			}
		})).Draw(t, "frames")
		var wire []byte
		for _, f := range frames {
			wire = AppendFrame(wire, f.Txnr, f.Command, f.Data)
		}
		got, err := readAll(iotest.HalfReader(strings.NewReader(string(wire))), 1<<20)
		if err != io.EOF || !slices.Equal(got, frames) {
			t.Fatalf("%+v, %v: want %+v", got, err, frames)
		}
	})
}

// No input does harm, and how it is cut by the network changes nothing.
func FuzzReader(f *testing.F) {
	f.Add([]byte(opening+"2 syslog 3 abc\n3 close 0\n"), 1)
	f.Add([]byte("0 serverclose 0\n"), 3)
	f.Add([]byte("7 syslog 50 "+strings.Repeat("x", 50)+"\n8 syslog 1 y\n"), 7)
	f.Add([]byte("<34>Oct 11 22:14:15 h su: x\n"), 2)
	f.Fuzz(func(t *testing.T, in []byte, cut int) {
		whole, wholeErr := readAll(strings.NewReader(string(in)), 40)
		at := min(max(cut, 0), len(in))
		parts := io.MultiReader(strings.NewReader(string(in[:at])), strings.NewReader(string(in[at:])))
		got, err := readAll(parts, 40)
		if !slices.Equal(got, whole) || !errors.Is(err, wholeErr) {
			t.Fatalf("cut at %d: %+v, %v; whole: %+v, %v", at, got, err, whole, wholeErr)
		}
		for _, f := range whole {
			if len(f.Data) > 40 || f.Txnr < 0 || f.Txnr > 999999999 || f.Command == "" {
				t.Fatalf("%+v", f)
			}
		}
	})
}

func BenchmarkReader(b *testing.B) {
	block := strings.Repeat(string(AppendFrame(nil, 4711, Syslog, strings.Repeat("x", 228))), 128)
	var frames []Frame
	b.ReportAllocs()
	b.SetBytes(int64(len(block) / 128))
	for b.Loop() {
		reader := NewReader(strings.NewReader(block), 64<<10)
		for n := 0; n < 128; n += len(frames) {
			frames, _ = reader.Append(frames[:0])
		}
	}
}
