package plugin

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Outputs of Debian's monitoring-plugins 2.3.3, as they were printed.
var real = []string{
	"LOAD OK - total load average: 4.21, 2.83, 2.48|load1=4.210;5.000;10.000;0; load5=2.830;4.000;6.000;0; load15=2.480;3.000;4.000;0; \n",
	"DISK OK - free space: / 31020MiB (33% inode=95%);| /=65265467392B;243497277849;257024904396;0;270552530944\n",
	"WARNING: hello\n",
	"PROCS OK: 92 processes | procs=92;1:500;1:1000;0;\n",
	"SWAP CRITICAL - 0% free (0MB out of 0MB) - Swap is either disabled, not present, or of zero size. |swap=0B;0;0;0;0\n",
	"USERS OK - 0 users currently logged in |users=0;5;10;0\n",
	"connect to address 127.0.0.1 and port 1: Connection refused\n",
	"connect to address 127.0.0.1 and port 1: Connection refused\nHTTP CRITICAL - Unable to open TCP socket\n",
	"OK - 127.0.0.1: rta 0.007ms, lost 0%|rta=0.007ms;200.000;500.000;0; pl=0%;40;80;; rtmax=0.029ms;;;; rtmin=0.001ms;;;; \n",
	"PING OK - Packet loss = 0%, RTA = 0.04 ms|rta=0.041000ms;10.000000;20.000000;0.000000 pl=0%;10;20;0;\n",
	"HTTP OK: HTTP/1.1 200 OK - 158 bytes in 0.001 second response time |time=0.001214s;;;0.000000;10.000000 size=158B;;;0\n",
	"TCP OK - 0.000 second response time on 127.0.0.1 port 36911|time=0.000070s;;;0.000000;10.000000\n",
}

// show writes an output as a text that a test can compare.
func show(o Output) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", o.Text)
	if o.Long != "" {
		fmt.Fprintf(&b, "long: %s\n", o.Long)
	}
	for _, p := range o.Perf {
		v, unit := p.Base()
		fmt.Fprintf(&b, "perf: %s (%g %s)\n", p, v, unit)
	}
	if o.Bad > 0 {
		fmt.Fprintf(&b, "bad: %d\n", o.Bad)
	}
	return b.String()
}

func TestParse(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		if d := cmp.Diff(strings.TrimLeft(want, "\n"), show(Parse(in))); d != "" {
			t.Error(d)
		}
	}
	f(real[0], `
LOAD OK - total load average: 4.21, 2.83, 2.48
perf: load1=4.21;5;10;0 (4.21 )
perf: load5=2.83;4;6;0 (2.83 )
perf: load15=2.48;3;4;0 (2.48 )
`)
	f(real[1], `
DISK OK - free space: / 31020MiB (33% inode=95%);
perf: /=6.5265467392e+10B;2.43497277849e+11;2.57024904396e+11;0;2.70552530944e+11 (6.5265467392e+10 B)
`)
	f(real[3], `
PROCS OK: 92 processes
perf: procs=92;1:500;1:1000;0 (92 )
`)
	f(real[8], `
OK - 127.0.0.1: rta 0.007ms, lost 0%
perf: rta=0.007ms;200;500;0 (7e-06 s)
perf: pl=0%;40;80 (0 %)
perf: rtmax=0.029ms (2.9e-05 s)
perf: rtmin=0.001ms (1e-06 s)
`)
	// The example of the plugin API's own text, in three parts.
	f("DISK OK - free space: / 3326 MB (56%); | /=2643MB;5948;5958;0;5968\n/ 15272 MB (77%);\n/boot 68 MB (69%);\n"+
		"/var/log 819 MB (84%); | /boot=68MB;88;93;0;98\n/home=69357MB;253404;253409;0;253414\n/var/log=818MB;970;975;0;980\n", `
DISK OK - free space: / 3326 MB (56%);
long: / 15272 MB (77%);
/boot 68 MB (69%);
/var/log 819 MB (84%);
perf: /=2643MB;5948;5958;0;5968 (2.771386368e+09 B)
perf: /boot=68MB;88;93;0;98 (7.1303168e+07 B)
perf: /home=69357MB;253404;253409;0;253414 (7.2726085632e+10 B)
perf: /var/log=818MB;970;975;0;980 (8.57735168e+08 B)
`)
	f("x|'free space'=5;@1:2 'it''s'=U 'a=b'=1e3us pkts=17c n=-1.5e-3ms eur=3EUR", `
x
perf: 'free space'=5;@1:2 (5 )
perf: 'it''s'=U (NaN )
perf: 'a=b'=1000us (0.001 s)
perf: pkts=17c (17 c)
perf: n=-0.0015ms (-1.5e-06 s)
perf: eur=3EUR (3 EUR)
`)
	f("x|a=1 nonsense b=,5 c=2;junk;3 =4 'open=5", `
x
perf: a=1 (1 )
perf: c=2;;3 (2 )
bad: 4
`)
	f("\r\nhas\x1b[31m colour\r\n\xff|", "has?[31m colour\nlong: ?\n")
	if d := cmp.Diff("\nperf: a=1 (1 )\n", show(Parse("|a=1"))); d != "" {
		t.Error(d)
	}
	if o := Parse("x|" + strings.Repeat("a=1 ", 300)); len(o.Perf) != maxPerfs || o.Bad != 300-maxPerfs {
		t.Errorf("%d values, %d bad", len(o.Perf), o.Bad)
	}
	if o := Parse(strings.Repeat("x", 2*MaxOutput)); len(o.Text) != MaxOutput {
		t.Errorf("%d bytes", len(o.Text))
	}
}

// What Parse made of any bytes is read again as the same.
func FuzzParse(f *testing.F) {
	for _, s := range real {
		f.Add(s)
	}
	f.Add("x|'it''s'=U;@1:2;~:3;-1;1 a=1e3us\nlong | b=5c\nc=1%")
	f.Fuzz(func(t *testing.T, raw string) {
		o := Parse(raw)
		if len(o.Perf) > maxPerfs || strings.ContainsAny(o.Text, "\n|\x1b") {
			t.Fatalf("%q", o)
		}
		again := Parse(o.String())
		same := func(a, b Perf) bool {
			return a.Label == b.Label && a.Unit == b.Unit && (a.Value == b.Value || math.IsNaN(a.Value) && math.IsNaN(b.Value)) && a.String() == b.String()
		}
		if len(o.String()) < MaxOutput && (!slices.EqualFunc(o.Perf, again.Perf, same) || again.Bad != 0) {
			t.Fatalf("%q was read as %v, and then as %v", raw, o, again)
		}
	})
}

func FuzzParseRange(f *testing.F) {
	for _, s := range []string{"10", "10:", "~:10", "10:20", "@10:20", "-1e3:5.5"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRange(s)
		if err != nil {
			return
		}
		if again, err := ParseRange(r.String()); err != nil || again != r {
			t.Fatalf("%q is %v, written as %q: %v, %v", s, r, r.String(), again, err)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		Parse(real[0])
	}
}
