package rrd

import (
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestParseTimeRange(t *testing.T) {
	now := time.Date(2026, 11, 21, 4, 20, 5, 0, time.UTC) // a Saturday
	f := func(start, end, want string) {
		t.Helper()
		from, to, err := ParseTimeRange(start, end, now)
		got := from.Std().Format("2006-01-02 15:04:05") + " " + to.Std().Format("2006-01-02 15:04:05")
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q %q: %s, want %s", start, end, got, want)
		}
	}
	f("", "", "2026-11-20 04:20:05 2026-11-21 04:20:05")
	f("-5m", "-6m", "2026-06-21 04:20:05 2026-11-21 04:14:05")
	f("end-1h", "12:30 20260101", "2026-01-01 11:30:00 2026-01-01 12:30:00")
	f("10:00 Monday", "start+1week2d", "2026-11-16 10:00:00 2026-11-25 10:00:00")
	f("20260101", "1000000000", "2026-01-01 00:00:00 2001-09-09 01:46:40")
	f("8pm_yesterday-2h", "noon tomorrow", "2026-11-20 18:00:00 2026-11-22 12:00:00")
	f("March 8 1999", "10:00 25.12.99", "1999-03-08 04:20:05 1999-12-25 10:00:00")
	f("epoch+400000000s", "now", "1982-09-04 15:06:40 2026-11-21 04:20:05")
	f("end-1h", "start+1h", "the start and end times cannot be specified relative to each other")
	f("now", "end-1h", "the end time cannot be specified relative to itself")
	f("now now", "", "start time: if 'now' is followed by a token it must be +|- offset")
	f("12:60", "", "start time: parsing HH:MM syntax, got MM = 60 (>59!)")
	f("garbage", "", "start time: unparsable time: garbage")
	f("12:30:15", "", "start time: unparsable trailing text: '...:15'")
	f("-1000000000y", "", "won't handle dates before epoch (01/01/1970) or after the year 9999, sorry")
}

// TestTimesAgainstRRDtool asks rrdtool for the row at a time.
func TestTimesAgainstRRDtool(t *testing.T) {
	path, err := exec.LookPath("rrdtool")
	if err != nil {
		t.Skip("NOT COMPARED WITH RRDTOOL: it is not installed")
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	g := &sequence{Rand: rand.New(rand.NewPCG(seed, 0))}
	for _, zone := range []string{"UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"} {
		loc, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		t.Setenv("TZ", zone)
		tool := startRRDtool(t, path)
		file := filepath.Join(tool.dir, "at.rrd")
		if e := tool.do("create " + file + " --start 1 --step 1 DS:a:GAUGE:5:U:U RRA:LAST:0:1:1"); e != "" {
			t.Fatal(e)
		}
		for range *rrdtoolRuns {
			text := g.at()
			diff := compareTime(tool, file, text, loc)
			if diff != "" {
				t.Errorf("%s, %s: %s", zone, text, diff)
			}
		}
	}
}

// compareTime asks both. rrdtool looks at its clock at some moment between the
// question and the answer, and C's time(3) lags a little: any second of that
// time will do.
func compareTime(tool *rrdtool, file, text string, loc *time.Location) (diff string) {
	asked := time.Now().Add(-50 * time.Millisecond)
	out, e := tool.ask(fmt.Sprintf("fetch %s LAST -s end-1s -e '%s'", file, text))
	answered := time.Now()
	for now := asked; ; now = now.Add(time.Second) {
		if now.After(answered) {
			now = answered
		}
		if diff = sameTime(out, e, text, now.In(loc)); diff == "" || now.Equal(answered) {
			return diff
		}
	}
}

// sameTime compares rrdtool's answer, rows or an error, with ours at now.
func sameTime(out []string, e, text string, now time.Time) (diff string) {
	_, end, err := ParseTimeRange("end-1s", text, now)
	if e != "" || len(out) < 3 || err != nil {
		if (e == "") != (err == nil) && !strings.Contains(e, "after 1980") {
			return fmt.Sprintf("rrdtool says %q, rondo %v", e, err)
		}
		return ""
	}
	theirs, _, _ := strings.Cut(out[2], ":")
	if ours := strconv.FormatInt(int64(end/Second), 10); ours != theirs {
		return fmt.Sprintf("rrdtool %s, rondo %s", theirs, ours)
	}
	return ""
}

// at makes a time.
func (g *sequence) at() string {
	days := []string{"today", "yesterday", "tomorrow", "mon", "Tuesday", "sat", "mar 8 2009", "feb 29 2000", "December 31 99",
		"3/28/2012", "31.10.2010", "07/04/15", "1.2.03", "20101107", "19990327"}
	var b strings.Builder
	switch g.IntN(5) {
	case 0:
	case 1:
		b.WriteString(pick(g, "now", "n", "NOW"))
	case 2:
		b.WriteString(strconv.Itoa(400_000_000 + g.IntN(1_600_000_000)))
	default:
		b.WriteString(pick(g, "noon", "midnight", "teatime", "6pm", "12:30am", "3:15", "23:59", "10 am", "7", "12am", "13pm", "12:61"))
		if g.IntN(3) > 0 {
			b.WriteString(pick(g, " ", "_", ",") + pick(g, days...))
		}
	}
	for n := g.IntN(3); n > 0 || b.Len() == 0; n-- {
		b.WriteString(pick(g, "+", "-"))
		for m := 1 + g.IntN(2); m > 0; m-- {
			b.WriteString(strconv.Itoa(g.IntN(9)) + pick(g, "s", "m", "h", "d", "w", "y", "mon", "min", "day", "weeks", "hours", "sec", "months", "year"))
		}
	}
	return b.String()
}

func FuzzParseTimeRange(f *testing.F) {
	f.Add("end-1h", "noon tomorrow +3d")
	f.Add("20260101", "s+5m")
	f.Add("12/25/99", "10:00pm Monday -1y2mon")
	f.Fuzz(func(t *testing.T, start, end string) {
		from, to, err := ParseTimeRange(start, end, time.Unix(1_800_000_000, 0).UTC())
		if err == nil && (from < 0 || to < 0) {
			t.Errorf("%q %q: %d %d", start, end, from, to)
		}
	})
}
