package rrd

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// creations are arguments of rrdcreate, a step of 10 s given.
//
//	arguments => error
//
// Without an error they are taken. An error behind "=>>" is our own: rrdtool
// takes the arguments, or crashes.
const creations = `
DS:a:GAUGE:20:U:U => you must define at least one Round Robin Archive
RRA:AVERAGE:0.5:1:10 => you must define at least one Data Source
DS:a RRA:MAX:0.5:1:10 => invalid DS format
DS:a:GAUGE RRA:MAX:0.5:1:10 => invalid DS format
DS:a:GAUGE:20 RRA:MAX:0.5:1:10 => failed to parse data source 20: missing separator
DS:a:GAUGE:20:U RRA:MAX:0.5:1:10 => failed to parse data source 20:U: failed to extract min:max
DS:a:GAUGE:20::1 RRA:MAX:0.5:1:10 => failed to parse data source 20::1: failed to extract min:max
DS:a:GAUGE:20:U:U:3 RRA:MAX:0.5:1:10 =>> failed to parse data source 20:U:U:3: failed to extract min:max
DS:a:FOO:20:U:U RRA:MAX:0.5:1:10 => invalid DS type specified (FOO)
DS:a:gauge:20:U:U RRA:MAX:0.5:1:10 => invalid DS format
DS::GAUGE:20:U:U RRA:MAX:0.5:1:10 => invalid DS format
DS:a:GAUGE:20:U:U DS:a:GAUGE:20:U:U RRA:MAX:0.5:1:10 => Duplicate DS name: a
DS:a:GAUGE:20:5:1 RRA:MAX:0.5:1:10 => failed to parse data source 20:5:1: min must be less than max in DS definition
DS:a:GAUGE:20:5:5 RRA:MAX:0.5:1:10 => failed to parse data source 20:5:5: min must be less than max in DS definition
DS:a:GAUGE:0:U:U RRA:MAX:0.5:1:10 => failed to parse data source 0:U:U: value must be positive
DS:a:GAUGE:x:U:U RRA:MAX:0.5:1:10 => failed to parse data source x:U:U: value must be (suffixed) positive number
DS:a:GAUGE:-5:U:U RRA:MAX:0.5:1:10 => failed to parse data source -5:U:U: value must be (suffixed) positive number
DS:a:GAUGE:20.5:U:U RRA:MAX:0.5:1:10 => failed to parse data source 20.5:U:U: value has trailing garbage
DS:a:GAUGE:20:x:U RRA:MAX:0.5:1:10 => parsing min val - Cannot convert 'x' to float
DS:a:GAUGE:20:U:1x RRA:MAX:0.5:1:10 => parsing max val - Converted '1x' to 1.000000, but cannot convert 'x'
DS:a:GAUGE:1m:1e3:2e5 DS:b-_C:COUNTER:1y:-inf:inf RRA:MAX:0.5:1:10
DS:a:DCOUNTER:20:0:1 DS:b:DDERIVE:20:U:U DS:c:DERIVE:20:U:U DS:d:ABSOLUTE:20:U:U RRA:MAX:0:1:10 RRA:LAST:.99:2:1
DS:a:GAUGE:20:U:U RRA:AVERAGE => Expected at least 4 arguments for RRA but got 1
DS:a:GAUGE:20:U:U RRA:AVERAGE:0.5:1: => Expected at least 4 arguments for RRA but got 3
DS:a:GAUGE:20:U:U RRA:AVERAGE:0.5:1:10:5 => Unexpected extra argument for consolidation function AVERAGE
DS:a:GAUGE:20:U:U RRA:AVERAGE:1:1:10 => Invalid xff: must be between 0 and 1
DS:a:GAUGE:20:U:U RRA:AVERAGE:x:1:10 => Invalid xff: must be between 0 and 1
DS:a:GAUGE:20:U:U RRA:AVERAGE:-0.1:1:10 => Invalid xff: must be between 0 and 1
DS:a:GAUGE:20:U:U RRA:AVERAGE:0.5:0:10 => Invalid step 0: value must be positive
DS:a:GAUGE:20:U:U RRA:AVERAGE:0.5:1:0 => Invalid row count 0: value must be positive
DS:a:GAUGE:20:U:U RRA:AVERAGE:0.5:+1:10 => Invalid step +1: value must be (suffixed) positive number
DS:a:GAUGE:20:U:U RRA:AVERAGE:0.5:1x:10 => Invalid step 1x: value has trailing garbage
DS:a:GAUGE:20:U:U RRA:AVERAGE:0.5:15s:1d => Invalid step 15s: value would truncate when scaled
DS:a:GAUGE:20:U:U RRA:AVERAGE:0.5:1m:90s => Invalid row count 90s: value would truncate when scaled
DS:a:GAUGE:20:U:U RRA:AVERAGE:0.5:7:1h => Invalid row count 1h: value would truncate when scaled
DS:a:GAUGE:20:U:U RRA:AVERAGE:0.5:3600000000000000h:10 =>> Invalid step 3600000000000000h: value is too large
DS:a:GAUGE:20:U:U RRA:AVERAGE:0.5:99999999999999999999:10 =>> Invalid step 99999999999999999999: value is too large
DS:a:GAUGE:20:U:U RRA:FOO:0.5:1:10 => Unrecognized consolidation function FOO
DS:a:GAUGE:20:U:U FOO:AVERAGE => can't parse argument 'FOO:AVERAGE'
DS:a:GAUGE:20:U:U RRA:AVERAGE:0.5:1m:1d RRA:MIN:0:1:10m RRA:MAX:0:1y:1y RRA:LAST:0:1M:31d
DS:a:GAUGE:20:U:U DS:b:COMPUTE:a,8,* DS:c:COMPUTE:a,b,2,AVG, RRA:AVERAGE:0.5:1:10
DS:a:GAUGE:20:U:U DS:b:COMPUTE RRA:AVERAGE:0.5:1:10 => invalid DS format
DS:a:GAUGE:20:U:U DS:b:COMPUTE:a,PREV,+ RRA:AVERAGE:0.5:1:10 => operators TIME LTIME STEPWIDTH PREV NEW* COUNT TREND TRENDNAN PREDICT PREDICTSIGMA PREDICTPERC are not supported with DS COMPUTE
DS:a:GAUGE:20:U:U DS:b:COMPUTE:a,a RRA:AVERAGE:0.5:1:10 =>> RPN final stack size != 1
DS:a:GAUGE:20:U:U RRA:HWPREDICT:24:0.1:0.0035:12
DS:a:GAUGE:20:U:U RRA:AVERAGE:0.5:1:10 RRA:HWPREDICT:4m:0.1:0.0035:12 RRA:MAX:0.5:1:10 RRA:MHWPREDICT:24:.1:.2:12
DS:a:DCOUNTER:20:U:U RRA:HWPREDICT:24:0.1:0.0035:12
DS:a:GAUGE:20:U:U RRA:HWPREDICT:24:.1:.2:12:2 RRA:SEASONAL:12:0.1:1 RRA:DEVSEASONAL:12:0.1:1:smoothing-window=0.2 RRA:DEVPREDICT:24:3 RRA:FAILURES:12:7:9:3
DS:a:GAUGE:20:U:U RRA:HWPREDICT:24:0.1:0.0035 => Expected at least 5 arguments for RRA but got 4
DS:a:GAUGE:20:U:U RRA:HWPREDICT:24:0.1:0.0035:25 => Length of seasonal cycle exceeds length of HW prediction array
DS:a:GAUGE:20:U:U RRA:HWPREDICT:24:1:0:12 => Invalid alpha: must be between 0 and 1
DS:a:GAUGE:20:U:U RRA:HWPREDICT:24:.1:2:12 => Invalid beta: must be between 0 and 1
DS:a:GAUGE:20:U:U RRA:HWPREDICT:24:.1:.2:0 =>> Invalid period 0: want a number of rows
DS:a:GAUGE:20:U:U RRA:HWPREDICT:4m:.1:.2:2m =>> Invalid period 2m: want a number of rows
DS:a:GAUGE:20:U:U RRA:HWPREDICT:24:.1:.2:12:0 =>> Invalid rra-num 0: want the number of an archive, from 1
DS:a:GAUGE:20:U:U RRA:HWPREDICT:24:.1:.2:12:1 =>> rrd: archive 0: hwpredict cannot work with archive 0
DS:a:GAUGE:20:U:U RRA:SEASONAL:12:0.1 => Expected at least 4 arguments for RRA but got 3
DS:a:GAUGE:20:U:U RRA:SEASONAL:12:1:1 => Invalid gamma: must be between 0 and 1
DS:a:GAUGE:20:U:U RRA:SEASONAL:12:0.1:1:foo=1 => Invalid option foo=1
DS:a:GAUGE:20:U:U RRA:SEASONAL:12:0.1:1:smoothing-window=x => Invalid option smoothing-window=x
DS:a:GAUGE:20:U:U RRA:SEASONAL:12:0.1:1:smoothing-window=2 => Invalid smoothing-window 2.000000: must be between 0 and 1
DS:a:GAUGE:20:U:U RRA:DEVPREDICT:24 => Expected at least 3 arguments for RRA but got 2
DS:a:GAUGE:20:U:U RRA:DEVPREDICT:24:1:2 => Unexpected extra argument for consolidation function DEVPREDICT
DS:a:GAUGE:20:U:U RRA:FAILURES:12:1:1 => Expected at least 5 arguments for RRA but got 4
DS:a:GAUGE:20:U:U RRA:FAILURES:12:x:9:3 => Failure threshold is out of range 1, 28
DS:a:GAUGE:20:U:U RRA:FAILURES:12:10:9:3 => Window length is shorter than the failure threshold
DS:a:GAUGE:20:U:U RRA:FAILURES:12:7:29:3 => Window length is out of range 1, 28
`

func TestParseSetDefinition(t *testing.T) {
	path, err := exec.LookPath("rrdtool")
	if err != nil {
		t.Skip("NOT COMPARED WITH RRDTOOL: it is not installed")
	}
	tool := startRRDtool(t, path)
	for line := range strings.Lines(creations[1:]) {
		args, want, _ := strings.Cut(strings.TrimSpace(line), " =>")
		own := strings.HasPrefix(want, ">")
		want = strings.TrimPrefix(strings.TrimPrefix(want, ">"), " ")
		d, err := ParseSetDefinition(10*time.Second, strings.Fields(args))
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: error %q, want %q", args, got, want)
		}
		if own {
			continue
		}
		file := filepath.Join(tool.dir, "create.rrd")
		if e := tool.do("create " + file + " --start 1000000000 --step 10 " + args); e != want {
			t.Errorf("%s: rrdtool says %q, want %q", args, e, want)
		}
		if err == nil {
			checkDefinition(t, tool, file, &d)
		}
	}
}

// checkDefinition compares with what rrdtool wrote, and reads what we write.
func checkDefinition(t *testing.T, tool *rrdtool, file string, d *SetDefinition) {
	t.Helper()
	theirs := readDefinition(t, file)
	for i := range theirs.Archives { // chosen at random
		if h := theirs.Archives[i].HoltWinters; h != nil {
			h.SmoothRow = 0
		}
	}
	for i, s := range d.Sources { // kept in codes
		theirs.Sources[i].Expression = s.Expression
	}
	if diff := cmp.Diff(theirs, *d, cmpopts.EquateNaNs()); diff != "" {
		t.Errorf("%v (-rrdtool +rondo)\n%s", d.Arguments(), diff)
	}
	again, err := ParseSetDefinition(d.Step, d.Arguments())
	if err != nil || !cmp.Equal(again, *d, cmpopts.EquateNaNs()) {
		t.Errorf("%v was read again as %v, %v", d.Arguments(), again.Arguments(), err)
	}
	if e := tool.do("create " + file + " --start 1000000000 --step 10 " + strings.Join(d.Arguments(), " ")); e != "" {
		t.Errorf("rrdtool refused %v: %s", d.Arguments(), e)
	} else if err := os.Remove(file); err != nil {
		t.Error(err)
	}
}

func FuzzParseSetDefinition(f *testing.F) {
	for line := range strings.Lines(creations[1:]) {
		args, _, _ := strings.Cut(strings.TrimSpace(line), " =>")
		f.Add(args)
	}
	f.Add("DS:Größe_der_Warteschlange_im_Keller:GAUGE:20:U:U RRA:AVERAGE:0.5:1:10")
	f.Fuzz(func(t *testing.T, text string) {
		d, err := ParseSetDefinition(10*time.Second, strings.Split(text, " "))
		if err != nil {
			return
		}
		again, err := ParseSetDefinition(10*time.Second, d.Arguments())
		if err != nil || !slices.Equal(again.Arguments(), d.Arguments()) {
			t.Fatalf("%q was written as %q, read as %q: %v", text, d.Arguments(), again.Arguments(), err)
		}
	})
}
