package plugin

import (
	"math"
	"os/exec"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"rondo/syslogd/peertest"
)

// The table of the plugins' guidelines: which values raise an alert.
func TestRange(t *testing.T) {
	for _, c := range []struct {
		text  string
		alert []float64
		calm  []float64
	}{
		{"10", []float64{-0.1, 10.1, -5}, []float64{0, 5, 10}},
		{"10:", []float64{9.99, -1}, []float64{10, 1e9}},
		{"~:10", []float64{10.01, 1e9}, []float64{10, -1e9}},
		{"10:20", []float64{9.9, 20.1}, []float64{10, 15, 20}},
		{"@10:20", []float64{10, 15, 20}, []float64{9.9, 20.1}},
		{":10", []float64{-1, 11}, []float64{0, 10}},
		{"@~:0", []float64{0, -1}, []float64{0.1}},
		{"-20:-10", []float64{-21, -9}, []float64{-20, -10}},
		{"0:0", []float64{1, -1}, []float64{0}},
		{"0", []float64{1, -1}, []float64{0}},
		{"~:", nil, []float64{-1e300, 1e300}},
		{"1e3:2.5E3", []float64{999}, []float64{1000, 2500}},
	} {
		r, err := ParseRange(c.text)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, v := range c.alert {
			if !r.Alert(v) {
				t.Errorf("%s: %v raises no alert", c.text, v)
			}
		}
		for _, v := range append(c.calm, math.NaN()) {
			if r.Alert(v) {
				t.Errorf("%s: %v raises an alert", c.text, v)
			}
		}
	}
	for _, bad := range []string{"", "@", "x", "10:x", "20:10", "~", "0x10", "1_0", "inf", "nan", "1:2:3", "@@1", "10%"} {
		if r, err := ParseRange(bad); err == nil {
			t.Errorf("%q is a range: %v", bad, r)
		}
	}
}

func TestRangeIsWrittenAsRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ends := rapid.Float64Range(-1e12, 1e12)
		r := Range{Low: ends.Draw(t, "low"), Inside: rapid.Bool().Draw(t, "inside")}
		r.High = r.Low + rapid.Float64Range(0, 1e12).Draw(t, "width")
		switch rapid.IntRange(0, 3).Draw(t, "open") {
		case 1:
			r.Low = math.Inf(-1)
		case 2:
			r.High = math.Inf(1)
		case 3:
			r.Low = math.Inf(-1)
			r.High = math.Inf(1)
		}
		got, err := ParseRange(r.String())
		if err != nil || got != r {
			t.Fatalf("%v as %q is %v, %v", r, r.String(), got, err)
		}
	})
}

// Debian's check_cluster counts services that are not OK and judges the number
// by ranges: for every form and number both of us say the same.
func TestRangesAsThePluginsJudgeThem(t *testing.T) {
	p := peertest.Find(t, "check_cluster")
	forms := []string{"3", "0", "3:", "~:3", "2:4", "@2:4", "@3", "@~:3", "@3:", ":3", "~:", "2.5", "1e0:3"}
	for _, form := range forms {
		r, err := ParseRange(form)
		if err != nil {
			t.Fatal(err)
		}
		for n := range 7 {
			states := strings.Repeat("2,", n) + "0"
			cmd := exec.Command(p.Path, "-s", "-d", states, "-w", "~:", "-c", form)
			cmd.Env = []string{"LD_LIBRARY_PATH=" + p.Folders("usr/lib/x86_64-linux-gnu", "usr/lib")}
			out, _ := cmd.CombinedOutput() // its exit code is what we ask for
			theirs := cmd.ProcessState.ExitCode()
			if ours := r.Alert(float64(n)); ours != (theirs == 2) || theirs != 0 && theirs != 2 {
				t.Errorf("%s: %d raises an alert: %v; check_cluster exits %d: %s", form, n, ours, theirs, out)
			}
		}
	}
}
