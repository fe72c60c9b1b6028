package syslog

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestNames(t *testing.T) {
	for s := Emergency; s <= Debug+1; s++ {
		got, err := ParseSeverity(strings.ToUpper(s.String()))
		if (err == nil) != (s <= Debug) || err == nil && got != s {
			t.Errorf("%s: %v %v", s, got, err)
		}
	}
	for f := Facility(0); f <= 24; f++ {
		got, err := ParseFacility(strings.ToUpper(f.String()))
		if (err == nil) != (f <= 23) || err == nil && got != f {
			t.Errorf("%s: %v %v", f, got, err)
		}
	}
	for name, want := range map[string]Severity{"0": Emergency, "7": Debug, "Warn": Warning, "error": Error, "panic": Emergency} {
		if got, err := ParseSeverity(name); got != want || err != nil {
			t.Errorf("%s: %v %v", name, got, err)
		}
	}
	if got, err := ParseFacility("23"); got.String() != "local7" || err != nil {
		t.Errorf("23: %v %v", got, err)
	}
	for _, name := range []string{"", "-1", "8", "24", "07", "local8", "err.info"} {
		if s, err := ParseSeverity(name); err == nil {
			t.Errorf("severity %q: %v", name, s)
		}
	}
}

func TestClone(t *testing.T) {
	line := []byte("<165>1 2026-10-11T22:14:15Z h a 77 ID47 [a@1 k=\"v\"] text")
	m := Parse(string(line), received(), netip.MustParseAddr("192.0.2.7"))
	if c := m.Clone(); c != m {
		t.Errorf("%+v, want %+v", c, m)
	}
	if m := (Message{Received: received()}); m.When() != received() || m.Origin() != "localhost" {
		t.Errorf("%v %s", m.When(), m.Origin())
	}
}

// The zones are those of the time zone database, at a place and in a season
// where they are in use.
func TestNamedZones(t *testing.T) {
	for place, names := range map[string][2]string{ // in January, in July
		"Europe/London": {"GMT", "BST"}, "Europe/Lisbon": {"WET", "WEST"}, "Europe/Berlin": {"CET", "CEST"}, "Europe/Helsinki": {"EET", "EEST"},
		"Europe/Moscow": {"MSK", "MSK"}, "Africa/Johannesburg": {"SAST", "SAST"}, "Asia/Karachi": {"PKT", "PKT"}, "Asia/Kolkata": {"IST", "IST"},
		"Asia/Jakarta": {"WIB", "WIB"}, "Asia/Hong_Kong": {"HKT", "HKT"}, "Australia/Perth": {"AWST", "AWST"}, "Asia/Tokyo": {"JST", "JST"},
		"Asia/Seoul": {"KST", "KST"}, "Australia/Adelaide": {"ACDT", "ACST"}, "Australia/Sydney": {"AEDT", "AEST"}, "Pacific/Auckland": {"NZDT", "NZST"},
		"America/St_Johns": {"NST", "NDT"}, "America/Halifax": {"AST", "ADT"}, "America/New_York": {"EST", "EDT"}, "America/Chicago": {"CST", "CDT"},
		"America/Denver": {"MST", "MDT"}, "America/Los_Angeles": {"PST", "PDT"}, "America/Anchorage": {"AKST", "AKDT"}, "Pacific/Honolulu": {"HST", "HST"},
	} {
		loc, err := time.LoadLocation(place)
		if err != nil {
			t.Fatal(err)
		}
		for i, name := range names {
			abbreviation, want := time.Date(2026, time.Month(1+6*i), 15, 12, 0, 0, 0, loc).Zone()
			if got, ok := namedZone(name); name != abbreviation || got != want || !ok {
				t.Errorf("%s: %s is %d, want %s, %d", place, name, got, abbreviation, want)
			}
		}
	}
	for _, same := range [][2]string{{"MEZ", "CET"}, {"MESZ", "CEST"}, {"ICT", "WIB"}, {"SGT", "HKT"}, {"BRT", "ADT"}, {"ART", "ADT"}, {"CLT", "AST"}, {"UTC", "GMT"}} {
		a, ok := namedZone(same[0])
		if b, _ := namedZone(same[1]); a != b || !ok {
			t.Errorf("%s is %d, %s is %d", same[0], a, same[1], b)
		}
	}
	if _, ok := namedZone("XYZ"); ok {
		t.Error("XYZ is a zone")
	}
}

func TestWithoutElement(t *testing.T) {
	for in, want := range map[string]string{
		"":                            "",
		`[peer uid="0"]`:              "",
		`[a x="\]"][peer uid="0"][b]`: `[a x="\]"][b]`,
		`[peer][peers][peer uid="1"]`: `[peers]`,
		`[peer uid="0"`:               `[peer uid="0"`,
		`[a x="[peer\]"]`:             `[a x="[peer\]"]`,
	} {
		if got := WithoutElement(in, "peer"); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}
