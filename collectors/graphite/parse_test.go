package graphite

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"rondo/rrd"
)

func TestAppendSamples(t *testing.T) {
	now := time.Unix(1790000000, 250_000_000)
	at := func(key string, v float64, us int64) rrd.Sample {
		return rrd.Sample{Key: rrd.Key(key), Value: v, Time: rrd.Time(us)}
	}
	f := func(in string, want ...rrd.Sample) {
		t.Helper()
		got, bad := AppendSamples(nil, in, now)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%q: %s", in, d)
		}
		if bad.Lines() > 0 {
			t.Errorf("%q: %d lines bad: %v", in, bad.Lines(), bad.First)
		}
	}
	f("")
	f("\n\r\n  \n")
	f("a.b.c 1.5 1790000001\n", at("a.b.c", 1.5, 1790000001e6))
	f("a 1 1790000001\nb 2 1790000002", at("a", 1, 1790000001e6), at("b", 2, 1790000002e6))
	f("a 1 1790000001\r\nb -2.25 1790000002\r\n", at("a", 1, 1790000001e6), at("b", -2.25, 1790000002e6))
	f("a\t1\t1790000001\n", at("a", 1, 1790000001e6))
	f("  a \t 1   1790000001  \n", at("a", 1, 1790000001e6))
	f("a 1 -1\na 1 N\na 1\n", at("a", 1, 1790000000250000), at("a", 1, 1790000000250000), at("a", 1, 1790000000250000))
	f("a 1 1790000001.5\n", at("a", 1, 1790000001500000))
	f("a 1 1.790000001e9\n", at("a", 1, 1790000001e6))
	f("a 1e3 1\nb -1.5E-3 2\nc +7 3\nd .5 4\ne 5. 5\n",
		at("a", 1000, 1e6), at("b", -0.0015, 2e6), at("c", 7, 3e6), at("d", .5, 4e6), at("e", 5, 5e6))
	f("a 123456789012345678901234567890 1\n", at("a", 123456789012345678901234567890, 1e6))
	f("a 0.1234567890123456789 1\n", at("a", 0.1234567890123456789, 1e6))
	f("disk.used;mount=/;host=web-1 3 1\n", at("disk.used\xffhost\xffweb-1\xffmount\xff/", 3, 1e6))
	f("größe 1 1\n", at("größe", 1, 1e6))
}

func TestMalformed(t *testing.T) {
	f := func(line string, want Malformed, first string) {
		t.Helper()
		got, bad := AppendSamples(nil, "ok 1 1\n"+line+"\nok 2 2", time.Unix(0, 0))
		if len(got) != 2 || got[1].Value != 2 {
			t.Errorf("%q: the other lines came as %v", line, got)
		}
		if bad.First == nil || !strings.Contains(bad.First.Error(), first) {
			t.Errorf("%q: error %v, want %q", line, bad.First, first)
		}
		bad.First = nil
		if bad != want {
			t.Errorf("%q: counted %+v, want %+v", line, bad, want)
		}
	}
	fields, name, value, when := Malformed{Fields: 1}, Malformed{Name: 1}, Malformed{Value: 1}, Malformed{Time: 1}
	f("a", fields, "want path, value and timestamp")
	f("a 1 2 3", fields, "want path, value and timestamp")
	f("GET / HTTP/1.1", value, `"GET / HTTP/1.1"`)
	f("a nan 1", value, "bad value")
	f("a NaN 1", value, "bad value")
	f("a inf 1", value, "bad value")
	f("a 0x10 1", value, "bad value")
	f("a 1_000 1", value, "bad value")
	f("a 1,5 1", value, "bad value")
	f("a 1e999 1", value, "bad value")
	f("a - 1", value, "bad value")
	f("a . 1", value, "bad value")
	f("a 1 -5", when, "bad timestamp")
	f("a 1 tomorrow", when, "bad timestamp")
	f("a 1 99999999999999999999", when, "bad timestamp")
	f("a;host 1 1", name, "bad tag")
	f("a;=x 1 1", name, "bad tag")
	f("a;host= 1 1", name, "bad tag")
	f("a;h=1;h=2 1 1", name, "given twice")
	f("a;__name__=b 1 1", name, "bad tag")
	f(";h=1 1 1", name, "no name")
	f("a\xffhost\xffroot 1 1", name, "UTF-8")
	f("a;h=\xff 1 1", name, "UTF-8")
}

// TestNumbers wants the fast paths to read what strconv reads, to the bit.
func TestNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(
			rapid.StringMatching(`-?[0-9]{1,17}(\.[0-9]{0,17})?`),
			rapid.Map(rapid.Float64Range(-1e12, 1e12), func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }),
		).Draw(t, "value")
		sec := rapid.Int64Range(0, 1<<33).Draw(t, "sec")
		want, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Skip()
		}
		got, bad := AppendSamples(nil, fmt.Sprintf("a %s %d\n", text, sec), time.Time{})
		if bad.Lines() > 0 || math.Float64bits(got[0].Value) != math.Float64bits(want) || got[0].Time != rrd.Time(sec*1e6) {
			t.Fatalf("%q %d: got %v, %v", text, sec, got, bad.First)
		}
	})
}

func FuzzAppendSamples(f *testing.F) {
	f.Add("a.b 1 1790000000\nb;x=y 2.5 N\r\n\tc 3\n")
	f.Add("a nan 1\n\n;;= = \xff 1 1")
	f.Fuzz(func(t *testing.T, in string) {
		got, bad := AppendSamples(nil, in, time.Unix(1, 0))
		if n := len(got) + bad.Lines(); n > strings.Count(in, "\n")+1 {
			t.Fatalf("%d lines out of %q", n, in)
		}
		if (bad.Lines() > 0) != (bad.First != nil) {
			t.Fatalf("%d bad lines, first %v", bad.Lines(), bad.First)
		}
		for _, s := range got {
			if s.Key.Name() == "" || math.IsNaN(s.Value) || math.IsInf(s.Value, 0) || s.Time < 0 {
				t.Fatalf("%q gave %+v", in, s)
			}
			// A key has labels only where the line has tags.
			if strings.Contains(string(s.Key), "\xff") && !strings.Contains(in, ";") {
				t.Fatalf("%q gave key %q", in, s.Key)
			}
		}
	})
}

func BenchmarkAppendSamples(b *testing.B) {
	const lines = 1000
	f := func(name, format string) {
		var sb strings.Builder
		for i := range lines {
			fmt.Fprintf(&sb, format, i/100, i%100, float64(i)*1.37)
		}
		in := sb.String()
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(in)))
			var dst []rrd.Sample
			now := time.Unix(1790000000, 0)
			for b.Loop() {
				dst, _ = AppendSamples(dst[:0], in, now)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/lines, "ns/line")
		})
	}
	f("plain", "dc1.role3.host%05d.cpu.%d.user %.2f 1790000000\n")
	f("crlf", "dc1.role3.host%05d.cpu.%d.user %.2f 1790000000\r\n")
	f("tabs", "dc1.role3.host%05d.cpu.%d.user\t%.2f\t1790000000\n")
	f("tags", "cpu.user;cpu=host%05d;mode=%d %.2f 1790000000\n")
}
