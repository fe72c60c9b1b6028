package haproxy

import (
	"encoding/csv"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// State is a server's administrative state.
type State string

// The states, in HAProxy's words.
const (
	Ready State = "ready"
	Drain State = "drain"
	Maint State = "maint"
)

// A Slot is one server of a backend, as HAProxy has it.
type Slot struct {
	Name    string
	Address netip.AddrPort // of no address where HAProxy has a name that it has not resolved
	State   State
	Weight  int

	Status   string // UP, DOWN, ...: what its health check says
	Requests int    // under way, or waiting for it
	Last     int    // seconds since a request came; -1: none did
}

// maxSlots bounds what we look at.
const maxSlots = 5000

// The bits of srv_admin_state that are set by commands; the others are set by the
// configuration, or follow from another server.
const (
	forcedMaint = 0x01
	forcedDrain = 0x08
)

// parseState reads the answer to "show servers state": a version, the columns'
// names behind #, and a line for each server.
func parseState(text string) ([]Slot, error) {
	version, rest, _ := strings.Cut(text, "\n")
	if version != "1" {
		return nil, fmt.Errorf("show servers state: %w", notUnderstood(text))
	}
	var columns map[string]int
	var out []Slot
	for line := range strings.Lines(rest) {
		words := strings.Fields(line)
		switch {
		case len(words) == 0:
			continue
		case words[0] == "#":
			columns = make(map[string]int)
			for i, name := range words[1:] {
				columns[name] = i
			}
			continue
		case len(out) == maxSlots:
			return nil, fmt.Errorf("show servers state: more than %d servers", maxSlots)
		}
		s, err := parseSlot(columns, words)
		if err != nil {
			return nil, fmt.Errorf("show servers state: %w", err)
		}
		out = append(out, s)
	}
	return out, nil
}

func parseSlot(columns map[string]int, words []string) (s Slot, err error) {
	word := func(column string) string {
		if i, ok := columns[column]; ok && i < len(words) {
			return words[i]
		}
		err = errors.Join(err, fmt.Errorf("no column %s in %.100q", column, strings.Join(words, " ")))
		return ""
	}
	s.Name = word("srv_name")
	admin, aerr := strconv.Atoi(word("srv_admin_state"))
	weight, werr := strconv.Atoi(word("srv_uweight"))
	port, perr := strconv.ParseUint(word("srv_port"), 10, 16)
	if a, aerr := netip.ParseAddr(word("srv_addr")); aerr == nil {
		s.Address = netip.AddrPortFrom(a.Unmap().WithZone(""), uint16(port))
	}
	s.Weight, s.Last = weight, -1
	switch {
	case admin&forcedMaint != 0:
		s.State = Maint
	case admin&forcedDrain != 0:
		s.State = Drain
	default:
		s.State = Ready
	}
	if err = errors.Join(err, aerr, werr, perr); err == nil && !isName(s.Name) {
		err = fmt.Errorf("server %.40q: its name cannot be used in commands", s.Name)
	}
	return s, err
}

// parseStat adds to slots what "show stat" says of them.
func parseStat(text string, slots []Slot) error {
	text, ok := strings.CutPrefix(text, "# ")
	if !ok {
		return fmt.Errorf("show stat: %w", notUnderstood(text))
	}
	r := csv.NewReader(strings.NewReader(strings.TrimRight(text, "\n")))
	r.FieldsPerRecord, r.LazyQuotes = -1, true
	lines, err := r.ReadAll()
	if err != nil {
		return fmt.Errorf("show stat: %w", err)
	}
	if len(lines) == 0 {
		return fmt.Errorf("show stat: %w", notUnderstood(text))
	}
	columns := make(map[string]int)
	for i, name := range lines[0] {
		columns[name] = i
	}
	by := make(map[string][]string)
	for _, line := range lines[1:] {
		if i, ok := columns["svname"]; ok && i < len(line) {
			by[line[i]] = line
		}
	}
	for k := range slots {
		line := by[slots[k].Name]
		word := func(column string) string {
			if i, ok := columns[column]; ok && i < len(line) {
				return line[i]
			}
			return ""
		}
		under, err := strconv.Atoi(word("scur"))
		if err != nil {
			return fmt.Errorf("show stat: server %s: scur: %w", slots[k].Name, err)
		}
		waiting, _ := strconv.Atoi(word("qcur")) // none
		slots[k].Requests, slots[k].Status = max(under, 0)+max(waiting, 0), word("status")
		if last, err := strconv.Atoi(word("lastsess")); err == nil {
			slots[k].Last = last
		}
	}
	return nil
}

// notUnderstood is HAProxy's own message, which is one line.
func notUnderstood(text string) error {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	if line == "" {
		line = "no answer"
	}
	return fmt.Errorf("HAProxy says %.200q", line)
}
