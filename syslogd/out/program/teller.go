package program

import (
	"bytes"
	"log/slog"
	"strconv"
	"strings"
	"time"
)

const (
	maxTold  = 1 << 10 // bytes of a line
	toldOnce = 20      // lines at once
	toldEach = time.Second
)

// A teller takes what a command writes, line by line: its answers, and what
// else it says for the log. The log gets no more than 20 lines at once, and one
// a second: how many it does not get is told with the next one.
type teller struct {
	log    *slog.Logger
	stream string
	answer func(line string) bool // reports whether the line was one; nil: none is

	line    []byte
	room    int
	filled  time.Time
	dropped int
}

func newTeller(log *slog.Logger, stream string, answer func(string) bool) *teller {
	return &teller{log: log, stream: stream, answer: answer, room: toldOnce, filled: time.Now()}
}

// Write takes a part of what the command writes. It never fails: a command
// that talks is not to be stopped by that.
func (t *teller) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		part, after, ended := bytes.Cut(rest, []byte("\n"))
		rest = after
		t.line = append(t.line, part[:min(len(part), maxTold-len(t.line))]...)
		if !ended {
			break
		}
		t.take(strings.TrimRight(string(t.line), "\r"))
		t.line = t.line[:0]
	}
	return len(p), nil
}

func (t *teller) take(line string) {
	if line == "" || t.answer != nil && t.answer(line) {
		return
	}
	now := time.Now()
	more := int(now.Sub(t.filled) / toldEach)
	t.filled = t.filled.Add(time.Duration(more) * toldEach)
	if t.room = min(t.room+more, toldOnce); t.room == 0 {
		t.dropped++
		return
	}
	t.room--
	t.log.Info("the command says", "stream", t.stream, "line", line, "lines_left_out", t.dropped)
	t.dropped = 0
}

// parseAnswer reads "ok N".
func parseAnswer(line string) (n uint64, ok bool) {
	digits, ok := strings.CutPrefix(line, "ok ")
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, err == nil
}
