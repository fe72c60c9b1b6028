package autoscale

import (
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // the zones of this test, wherever it runs

	"pgregory.net/rapid"

	"rondo/alerts"
)

func TestSchedule(t *testing.T) {
	t.Parallel()
	runScript(t, "testdata/schedule.txt")
}

func slotOf(t interface{ Fatal(...any) }, cron, zone string, length time.Duration) (s Slot) {
	if err := s.Cron.UnmarshalText([]byte(cron)); err != nil {
		t.Fatal(err)
	}
	if err := s.Timezone.UnmarshalText([]byte(zone)); err != nil {
		t.Fatal(err)
	}
	s.For, s.Min = length, 6
	return s
}

// TestSlotWhereClocksChange: Vienna goes from 2:00 to 3:00 on 29 March 2026, at
// 1:00 UTC, and from 3:00 to 2:00 on 25 October, at 1:00 UTC.
func TestSlotWhereClocksChange(t *testing.T) {
	t.Parallel()
	f := func(cron string, length time.Duration, day, want string) {
		t.Helper()
		s := slotOf(t, cron, "Europe/Vienna", length)
		start, err := time.Parse(time.DateOnly, day)
		if err != nil {
			t.Fatal(err)
		}
		var got []string // when it begins and ends, in UTC
		on := s.near(start.Add(-time.Second), 0)
		for now := start; now.Before(start.Add(24 * time.Hour)); now = now.Add(time.Minute) {
			if s.near(now, 0) != on {
				on = !on
				got = append(got, now.Format("15:04"))
			}
		}
		if got := strings.Join(got, " "); got != want {
			t.Errorf("%s for %v on %s: %s, want %s", cron, length, day, got, want)
		}
	}
	f("0 8 * * *", 10*time.Hour, "2026-03-28", "07:00 17:00")
	f("0 8 * * *", 10*time.Hour, "2026-03-29", "06:00 16:00")
	f("0 8 * * *", 10*time.Hour, "2026-10-24", "06:00 16:00")
	f("0 8 * * *", 10*time.Hour, "2026-10-25", "07:00 17:00")
	// Over the change: until the clock says so.
	f("0 0 * * *", 6*time.Hour, "2026-03-29", "04:00 22:00")
	f("0 0 * * *", 6*time.Hour, "2026-10-25", "05:00 23:00")
	// 2:30 does not come: what is left begins at 3:00.
	f("30 2 * * *", time.Hour, "2026-03-29", "01:00 01:30")
	f("15 2 * * *", 30*time.Minute, "2026-03-29", "")
	// 2:30 comes twice.
	f("30 2 * * *", 20*time.Minute, "2026-10-25", "00:30 00:50 01:30 01:50")
	f("0 3 * * *", time.Hour, "2026-10-25", "02:00 03:00")
	f("0 1 * * *", time.Hour, "2026-10-25", "00:00")
}

// TestLead: whenever a slot is on, its floor was raised a lead earlier.
func TestLead(t *testing.T) {
	t.Parallel()
	crons := []string{"0 8 * * mon-fri", "*/7 * * * *", "30 2 * * *", "59 23 31 * *", "0 0 29 2 *", "5 4 * * sun", "@daily"}
	zones := []string{"UTC", "Europe/Vienna", "America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca"}
	rapid.Check(t, func(t *rapid.T) {
		s := slotOf(t, rapid.SampledFrom(crons).Draw(t, "cron"), rapid.SampledFrom(zones).Draw(t, "zone"), time.Duration(rapid.IntRange(1, 3000).Draw(t, "minutes"))*time.Minute)
		at := time.Unix(rapid.Int64Range(1_700_000_000, 1_900_000_000).Draw(t, "at"), 0)
		lead := time.Duration(rapid.IntRange(0, 90).Draw(t, "lead")) * time.Minute
		if s.near(at, 0) && !s.near(at.Add(-lead), lead) {
			t.Errorf("%v is on at %v, and is not seen %v before", s, at, lead)
		}
		g := Group{Name: "web", Min: 1, Max: 9, Boot: lead, Policies: []Policy{{Schedule: []Slot{s}}}}.WithDefaults()
		d := Want(g, Input{Now: at.Add(-lead), Instances: []Instance{{Phase: InService}}})
		if s.near(at, 0) && d.To != 6 {
			t.Errorf("%+v", d)
		}
	})
}

func TestCronErrors(t *testing.T) {
	t.Parallel()
	const wanted = "; want minute, hour, day of the month, month and day of the week, such as 0 8 * * mon-fri"
	f := func(text, want string) {
		t.Helper()
		var c Cron
		err := c.UnmarshalText([]byte(text))
		if want == "" {
			if err != nil {
				t.Error(err)
			}
			return
		}
		if err == nil || err.Error() != want+wanted {
			t.Errorf("%q: %v, want %s", text, err, want+wanted)
		}
	}
	f("0 8 * * mon-fri", "")
	f("  0   8 1,15 * * ", "")
	f("@weekly", "")
	f("0 0 29 2 *", "")
	f("", `cron "": empty spec string`)
	f("0 8 * *", `cron "0 8 * *": expected exactly 5 fields, found 4: [0 8 * *]`)
	f("0 25 * * *", `cron "0 25 * * *": end of range (25) above maximum (23): 25`)
	f("0 8 * * noday", `cron "0 8 * * noday": failed to parse int from noday: strconv.Atoi: parsing "noday": invalid syntax`)
	f("@every 5m", `cron "@every 5m": it says how often, not when`)
	f("TZ=Europe/Vienna", `cron "TZ=Europe/Vienna": the time zone stands beside it, as timezone`)
	f("CRON_TZ=Europe/Vienna 0 8 * * *", `cron "CRON_TZ=Europe/Vienna 0 8 * * *": the time zone stands beside it, as timezone`)
	f("0 0 30 2 *", `cron "0 0 30 2 *": that time never comes`)
	var l alerts.Location
	if err := l.UnmarshalText([]byte("Europe/Wien")); err == nil || !strings.Contains(err.Error(), "want a name such as Europe/Berlin") {
		t.Error(err)
	}
}

func FuzzCron(f *testing.F) {
	for _, s := range []string{"0 8 * * mon-fri", "*/15 0-6,22-23 1 jan,dec ?", "@yearly", "59 23 31 * *", "0 8 * * 7", "1-5/0 * * * *", "TZ=0", "@every 1s", "0 0 30 2 *"} {
		f.Add(s, int64(1_772_352_000), int64(3600))
	}
	f.Fuzz(func(t *testing.T, text string, at, length int64) {
		var c Cron
		if err := c.UnmarshalText([]byte(text)); err != nil {
			return
		}
		b, _ := c.MarshalText()
		var again Cron
		if err := again.UnmarshalText(b); err != nil || again.text != c.text {
			t.Fatalf("%q: %q, %v", text, b, err)
		}
		s := Slot{Cron: c, For: time.Duration(1+uint64(length)%uint64(longestSlot/time.Second)) * time.Second, Min: 3}
		now := time.Unix(at%4_000_000_000, 0)
		if s.near(now, 0) && !s.near(now, time.Hour) {
			t.Fatalf("%q is on at %v, and is not near", text, now)
		}
	})
}
