package alerts

import (
	"encoding/json"
	"testing"
	"time"
	_ "time/tzdata" // the zones of this test, wherever it runs

	"pgregory.net/rapid"
)

func TestRecurrence(t *testing.T) {
	const form = "Mon 2006-01-02 15:04 MST"
	f := func(text, now, at, next string) {
		t.Helper()
		var r Recurrence
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			t.Fatal(err)
		}
		when, err := time.Parse(time.RFC3339, now)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range []struct {
			want string
			of   func(time.Time) (time.Time, time.Time, bool)
		}{{at, r.At}, {next, r.Next}} {
			got := "none"
			if start, end, ok := x.of(when); ok {
				got = start.Format(form) + " to " + end.Format("15:04 MST")
			}
			if got != x.want {
				t.Errorf("%s at %s:\n got %s\nwant %s", text, now, got, x.want)
			}
		}
	}
	weekend := `{"weekdays": ["saturday", "sunday"], "from": "22:00", "to": "02:00", "location": "Europe/Berlin"}`
	f(weekend, "2026-07-04T19:59:59Z", "none", "Sat 2026-07-04 22:00 CEST to 02:00 CEST")
	f(weekend, "2026-07-04T20:00:00Z", "Sat 2026-07-04 22:00 CEST to 02:00 CEST", "Sun 2026-07-05 22:00 CEST to 02:00 CEST")
	f(weekend, "2026-07-04T23:59:59Z", "Sat 2026-07-04 22:00 CEST to 02:00 CEST", "Sun 2026-07-05 22:00 CEST to 02:00 CEST")
	f(weekend, "2026-07-05T00:00:00Z", "none", "Sun 2026-07-05 22:00 CEST to 02:00 CEST")
	f(weekend, "2026-01-05T00:30:00Z", "Sun 2026-01-04 22:00 CET to 02:00 CET", "Sat 2026-01-10 22:00 CET to 02:00 CET")

	firstSunday := `{"weekdays": ["sunday"], "days_of_month": ["1:7"], "from": "00:00", "to": "24:00"}`
	f(firstSunday, "2026-11-01T12:00:00Z", "Sun 2026-11-01 00:00 UTC to 00:00 UTC", "Sun 2026-12-06 00:00 UTC to 00:00 UTC")
	f(firstSunday, "2026-11-08T12:00:00Z", "none", "Sun 2026-12-06 00:00 UTC to 00:00 UTC")
	f(`{"days_of_month": ["-1"], "from": "23:00", "to": "23:30"}`, "2028-02-29T23:10:00Z", "Tue 2028-02-29 23:00 UTC to 23:30 UTC", "Fri 2028-03-31 23:00 UTC to 23:30 UTC")
	f(`{"days_of_month": ["30:31"], "from": "23:00", "to": "23:30"}`, "2026-02-01T00:00:00Z", "none", "Mon 2026-03-30 23:00 UTC to 23:30 UTC")
	f(`{"weekdays": ["monday:friday"], "from": "12:00", "to": "13:00"}`, "2026-11-20T12:30:00Z", "Fri 2026-11-20 12:00 UTC to 13:00 UTC", "Mon 2026-11-23 12:00 UTC to 13:00 UTC")

	// In Berlin 2026-03-29 02:00 to 03:00 does not exist, and 2026-10-25 02:00 to 03:00 comes twice.
	night := `{"from": "02:30", "to": "04:00", "location": "Europe/Berlin"}`
	f(night, "2026-03-29T01:00:00Z", "Sun 2026-03-29 03:00 CEST to 04:00 CEST", "Mon 2026-03-30 02:30 CEST to 04:00 CEST")
	f(night, "2026-10-25T00:30:00Z", "Sun 2026-10-25 02:30 CEST to 04:00 CET", "Mon 2026-10-26 02:30 CET to 04:00 CET")
	early := `{"from": "01:00", "to": "02:30", "location": "Europe/Berlin"}`
	f(early, "2026-03-29T00:30:00Z", "Sun 2026-03-29 01:00 CET to 03:00 CEST", "Mon 2026-03-30 01:00 CEST to 02:30 CEST")
	f(early, "2026-10-25T01:00:00Z", "Sun 2026-10-25 01:00 CEST to 02:30 CET", "Mon 2026-10-26 01:00 CET to 02:30 CET")
	f(`{"from": "02:10", "to": "02:50", "location": "Europe/Berlin"}`, "2026-03-29T00:30:00Z", "none", "Mon 2026-03-30 02:10 CEST to 02:50 CEST")
	// Lord Howe's clocks change by half an hour, New York's in the evening of UTC.
	f(`{"from": "01:45", "to": "02:15", "location": "Australia/Lord_Howe"}`, "2026-04-04T14:50:00Z", "Sun 2026-04-05 01:45 +11 to 02:15 +1030", "Mon 2026-04-06 01:45 +1030 to 02:15 +1030")
	f(`{"from": "01:30", "to": "01:40", "location": "America/New_York"}`, "2026-11-01T06:00:00Z", "Sun 2026-11-01 01:30 EDT to 01:40 EST", "Mon 2026-11-02 01:30 EST to 01:40 EST")
}

func TestRecurrenceMistakes(t *testing.T) {
	for _, text := range []string{
		`{"weekdays": ["someday"]}`, `{"weekdays": ["friday:monday"]}`, `{"days_of_month": ["0"]}`, `{"days_of_month": ["32"]}`,
		`{"days_of_month": ["7:1"]}`, `{"days_of_month": ["x"]}`, `{"from": "25:00"}`, `{"from": "24:01"}`, `{"from": "7pm"}`, `{"location": "Mars/Base"}`,
	} {
		var r Recurrence
		if err := json.Unmarshal([]byte(text), &r); err == nil {
			t.Errorf("%s was taken", text)
		}
	}
	if (Recurrence{From: 60, To: 60}).Validate() == nil {
		t.Error("an empty time of day was taken")
	}
}

// TestRecurrenceLaws: an occurrence is found from its start to its end, it
// shows the times that were asked for where they exist, and the text is read
// as it is written.
func TestRecurrenceLaws(t *testing.T) {
	zones := []string{"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Kolkata", "America/Santiago"}
	rapid.Check(t, func(rt *rapid.T) {
		var r Recurrence
		r.From = TimeOfDay(rapid.IntRange(0, 1439).Draw(rt, "from"))
		r.To = TimeOfDay(rapid.IntRange(0, 1440).Draw(rt, "to"))
		if r.Validate() != nil {
			return
		}
		if err := r.Location.UnmarshalText([]byte(rapid.SampledFrom(zones).Draw(rt, "zone"))); err != nil {
			rt.Fatal(err)
		}
		now := time.Unix(rapid.Int64Range(1_700_000_000, 1_900_000_000).Draw(rt, "now"), 0)
		start, end, ok := r.Next(now)
		if !ok || !start.After(now) || !end.After(start) || start.Sub(now) > 50*time.Hour || end.Sub(start) > 26*time.Hour {
			rt.Fatalf("%v: next after %v is %v to %v, %v", r, now, start, end, ok)
		}
		_, found, ok := r.At(start)
		if _, _, before := r.At(start.Add(-time.Second)); !ok || found.Before(end) && !before {
			rt.Fatalf("%v: not found at its start %v: %v, %v", r, start, found, ok)
		}
		if s, _, ok := r.At(end.Add(-time.Second)); !ok || s.After(start) && r.To > r.From {
			rt.Fatalf("%v: not found at its end %v: %v, %v", r, end, s, ok)
		}
		_, offsetA := start.Add(-3 * time.Hour).Zone()
		_, offsetB := start.Add(3 * time.Hour).Zone()
		if h, m, _ := start.Clock(); offsetA == offsetB && TimeOfDay(h*60+m) != r.From {
			rt.Fatalf("%v: begins at %v", r, start)
		}
		b, err := json.Marshal(r)
		var again Recurrence
		if err != nil || json.Unmarshal(b, &again) != nil || again.String() != r.String() {
			rt.Fatalf("%s: %v: read again %v", b, err, again)
		}
	})
}

// FuzzDowntimeJSON: what is read is written as it is read again, and no
// downtime makes a question about it fail.
func FuzzDowntimeJSON(f *testing.F) {
	f.Add([]byte(`{"matchers": ["host=a"], "start": "2026-01-02T22:00:00Z", "end": "2026-01-03T02:00:00+01:00", "duration": "30m"}`), int64(1_790_000_000))
	f.Add([]byte(`{"matchers": ["host=~\"web.*\""], "recurring": {"weekdays": ["monday:friday"], "days_of_month": ["1:7", "-1"], "from": "22:00", "to": "24:00", "location": "Europe/Berlin"}}`), int64(1_774_746_000))
	f.Add([]byte(`{"matchers": ["a!=b"], "triggered_by": "x", "pauses_scaling": true}`), int64(0))
	f.Fuzz(func(t *testing.T, b []byte, at int64) {
		var d, again Downtime
		if json.Unmarshal(b, &d) != nil || d.Validate() != nil {
			return
		}
		now := time.Unix(at%(1<<33), 0)
		if _, until, ok := d.window(now); ok && !now.Before(until) {
			t.Errorf("%s: in its window at %v, which ended at %v", b, now, until)
		}
		d.lasting(now)
		d.begun(now, time.Hour)
		out, err := json.Marshal(d)
		if err != nil {
			return // a year beyond 9999
		}
		if err := json.Unmarshal(out, &again); err != nil {
			t.Errorf("%s: %v", out, err)
		}
	})
}
