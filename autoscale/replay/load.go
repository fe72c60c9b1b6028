package replay

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

// Limits of a load that is read.
const (
	maxSteps = 5_000_000
	maxLine  = 4 << 10
)

// A Step of a load: from its time until that of the next.
type Step struct {
	Time time.Time
	Load float64 // servers' worth of work
}

// Read reads a load as CSV: the header time,load, then epoch seconds and
// servers' worth of work, in the order of time. Further columns are ignored.
// Errors name the line.
func Read(r io.Reader) ([]Step, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	var steps []Step
	for n := 1; lines.Scan(); n++ {
		text := strings.TrimSpace(strings.TrimPrefix(lines.Text(), "\ufeff"))
		if n == 1 {
			if head := strings.ReplaceAll(text, " ", ""); head != "time,load" && !strings.HasPrefix(head, "time,load,") {
				return nil, fmt.Errorf("replay: line 1: %.40q: want the header time,load", text)
			}
			continue
		}
		if text == "" {
			continue
		}
		s, err := parse(text)
		switch {
		case err != nil:
			return nil, fmt.Errorf("replay: line %d: %w", n, err)
		case len(steps) > 0 && !s.Time.After(steps[len(steps)-1].Time):
			return nil, fmt.Errorf("replay: line %d: its time is not after that of the line before", n)
		case len(steps) == maxSteps:
			return nil, fmt.Errorf("replay: line %d: more than %d steps", n, maxSteps)
		}
		steps = append(steps, s)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("replay: after line %d: %w", len(steps)+1, err)
	}
	if len(steps) < 2 {
		return nil, fmt.Errorf("replay: %d steps: want two at least", len(steps))
	}
	return steps, nil
}

func parse(line string) (Step, error) {
	fields := strings.Split(line, ",")
	if len(fields) < 2 {
		return Step{}, fmt.Errorf("%.40q: want time,load", line)
	}
	at, err := strconv.ParseFloat(strings.TrimSpace(fields[0]), 64)
	if err != nil || math.IsNaN(at) || math.Abs(at) > 1e11 {
		return Step{}, fmt.Errorf("time %.40q: want seconds since the epoch", fields[0])
	}
	load, err := strconv.ParseFloat(strings.TrimSpace(fields[1]), 64)
	if err != nil || !(load >= 0) || load > 1e6 {
		return Step{}, fmt.Errorf("load %.40q: want servers' worth of work, 0 to 1e6", fields[1])
	}
	return Step{time.UnixMicro(int64(math.Round(at * 1e6))).UTC(), load}, nil
}
