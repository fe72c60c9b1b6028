package tail

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zeebo/xxh3"

	"rondo/rrd/seglog"
)

// The state file is text, a line for each thing that is known:
//
//	rondo tail 1
//	seen glob-6f1d0c9a8b7e5d4c SECONDS
//	at SOURCE OFFSET TAIL HEADLEN HEAD STEPS DEV INO SIZE SEEN FLAGS "PATH" "FIRST"
//	sum CHECKSUM of all that stands before
//
// Numbers are decimal, fingerprints and inodes hexadecimal.
const (
	stateMagic  = "rondo tail 1\n"
	maxState    = 16 << 20
	savePeriod  = time.Second // at most once in it
	none        = "-"         // ends what may be empty
	flagEnded   = "f"         // position.finished
	flagWeak    = "w"         // position.weak
	stateFields = 13
)

// savedState is what a state file tells.
type savedState struct {
	known     map[string]int64
	positions []*position
}

var errState = errors.New("tail: not a whole state file")

func (t *Tailer) saveIfDue(now time.Time) error {
	if !t.unsaved || now.Sub(t.saved) < savePeriod {
		return nil
	}
	return t.save(now)
}

// save replaces the state file: there is an old one or a new one, whatever
// happens.
func (t *Tailer) save(now time.Time) error {
	if t.state == "" || !t.unsaved {
		return nil
	}
	t.saved = now
	t.settle()
	for _, p := range t.positions.byID {
		if p.home != nil {
			p.seen = now.Unix()
		}
	}
	if err := seglog.Replace(t.state, appendState(nil, t.known, t.positions.byID)); err != nil {
		t.stats.add("state_failures", 1)
		return err
	}
	t.unsaved = false
	return nil
}

// appendState writes what the sink has taken.
func appendState(dst []byte, known map[string]int64, byID map[string]*position) []byte {
	dst = append(dst, stateMagic...)
	var keys []string
	for k := range known {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		dst = fmt.Appendf(dst, "seen %s %d\n", k, known[k])
	}
	keys = keys[:0]
	for id := range byID {
		keys = append(keys, id)
	}
	slices.Sort(keys)
	for _, id := range keys {
		if p := byID[id]; p.offset >= p.begin { // else the sink does not know what is not to be read
			dst = appendPosition(dst, p)
		}
	}
	return sealState(dst)
}

func sealState(dst []byte) []byte { return fmt.Appendf(dst, "sum %016x\n", xxh3.Hash(dst)) }

func appendPosition(dst []byte, p *position) []byte {
	flags := ""
	if p.finished {
		flags += flagEnded
	}
	if p.weak {
		flags += flagWeak
	}
	return fmt.Appendf(dst, "at %s %d %016x %d %016x %s %x %x %d %d %s %q %q\n",
		p.id, p.offset, p.taken, p.head.n, p.head.sum, p.head.hex(), p.key.dev, p.key.ino, p.size, p.seen, flags+none, p.path, p.first)
}

// loadState reads a state file. One that is not there tells nothing; of a
// damaged one, nothing is believed.
func loadState(path string) (savedState, error) {
	if path == "" {
		return savedState{}, nil
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return savedState{}, nil
	}
	if err != nil {
		return savedState{}, err
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || st.Size() > maxState {
		return savedState{}, errors.Join(errState, err)
	}
	var data bytes.Buffer
	if _, err := data.ReadFrom(f); err != nil {
		return savedState{}, err
	}
	return parseState(data.Bytes())
}

func parseState(data []byte) (savedState, error) {
	st := savedState{known: map[string]int64{}}
	at := bytes.LastIndex(data, []byte("\nsum ")) + 1
	if !bytes.HasPrefix(data, []byte(stateMagic)) || at == 0 || string(data[at:]) != fmt.Sprintf("sum %016x\n", xxh3.Hash(data[:at])) {
		return savedState{}, errState
	}
	lines := bufio.NewScanner(bytes.NewReader(data[len(stateMagic):at]))
	lines.Buffer(nil, 64<<10)
	for lines.Scan() {
		kind, rest, _ := strings.Cut(lines.Text(), " ")
		switch kind {
		case "seen":
			var n numbers
			key, at, _ := strings.Cut(rest, " ")
			if st.known[key] = n.int(at); n.bad {
				return savedState{}, errState
			}
		case "at":
			p, err := parsePosition(rest)
			if err != nil {
				return savedState{}, err
			}
			st.positions = append(st.positions, p)
		}
	}
	return st, lines.Err()
}

func parsePosition(s string) (*position, error) {
	var path string
	part := strings.SplitN(s, " ", stateFields-1)
	if len(part) != stateFields-1 {
		return nil, errState
	}
	p, ok := fromMark(Mark{Source: part[0]})
	quoted, err := strconv.QuotedPrefix(part[11])
	if err == nil {
		path, err = strconv.Unquote(quoted)
	}
	var first string
	if err == nil {
		first, err = strconv.Unquote(strings.TrimPrefix(part[11][len(quoted):], " "))
	}
	if !ok || err != nil {
		return nil, errState
	}
	var n numbers
	p.offset = n.int(part[1])
	p.taken, p.weak = n.hex(part[2]), strings.Contains(part[10], flagWeak)
	p.head = beginning{headSum: headSum{int(n.int(part[3])), n.hex(part[4])}}
	p.head.setHex(part[5], &n)
	p.told = p.offset > 0
	p.key = fileKey{n.hex(part[6]), n.hex(part[7])}
	p.size, p.seen = n.int(part[8]), n.int(part[9])
	p.next, p.tail = p.offset, p.taken
	p.finished, p.path, p.first = strings.Contains(part[10], flagEnded), path, first
	if n.bad || p.head.n < p.born.n || p.head.n > headLen {
		return nil, errState
	}
	return p, nil
}

// hex writes the steps that there are, 8 digits each.
func (b *beginning) hex() string {
	var s strings.Builder
	for i, sum := range b.steps {
		if stepAt(i) <= b.n {
			fmt.Fprintf(&s, "%08x", sum)
		}
	}
	return s.String() + none
}

func (b *beginning) setHex(s string, n *numbers) {
	s = strings.TrimSuffix(s, none)
	for i := range b.steps {
		if stepAt(i) > b.n || n.bad {
			break
		}
		if len(s) < 8 {
			n.bad = true
			return
		}
		b.steps[i] = uint32(n.hex(s[:8]))
		s = s[8:]
	}
	n.bad = n.bad || s != ""
}

// numbers reads some, and remembers whether one was none.
type numbers struct{ bad bool }

func (n *numbers) int(s string) int64 {
	v, err := strconv.ParseInt(s, 10, 64)
	n.bad = n.bad || err != nil || v < 0 || v >= 1<<(64-posBits)
	return v
}

func (n *numbers) hex(s string) uint64 {
	v, err := strconv.ParseUint(s, 16, 64)
	n.bad = n.bad || err != nil
	return v
}
