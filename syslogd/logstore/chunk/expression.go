package chunk

import (
	"math/bits"
	"regexp/syntax"
	"slices"
)

// An Expression is a regular expression that types can be asked about: the
// automaton of package regexp/syntax, for sets of bytes rather than for bytes.
// Conditions such as ^ and \b are taken as met. It does not change.
type Expression struct {
	start   stateSet
	after   []stateSet      // by instruction: which can be next
	ofByte  [0x81]stateSet  // which take a byte in any case, 0x80 standing for all from there on
	ofClass [0x100]stateSet // which take some byte of an element, by its class
}

// stateSet is a set of instructions that read something. matched in it says
// that the end was reached: the first instruction of a program is never run.
type stateSet []uint64

const matched = 0

// maxStates bounds the program of an expression, and so the time for a type.
const maxStates = 512

// NewExpression makes an expression ready; nil if it is too long for it to be
// worth while, or wrong.
func NewExpression(src string) *Expression {
	re, err := syntax.Parse(src, syntax.Perl)
	if err != nil {
		return nil
	}
	prog, err := syntax.Compile(re.Simplify())
	if err != nil || len(prog.Inst) > maxStates {
		return nil
	}
	x := &Expression{after: make([]stateSet, len(prog.Inst))}
	empty := make(stateSet, (len(prog.Inst)+63)/64)
	x.start = slices.Clone(empty)
	x.start.reach(prog, uint32(prog.Start), map[uint32]bool{})
	for c := range x.ofByte {
		x.ofByte[c] = slices.Clone(empty)
	}
	for pc := range prog.Inst {
		if i := &prog.Inst[pc]; reads(i) {
			x.after[pc] = slices.Clone(empty)
			x.after[pc].reach(prog, i.Out, map[uint32]bool{})
			x.note(uint32(pc), i)
		}
	}
	for class := range x.ofClass {
		x.ofClass[class] = slices.Clone(empty)
		for c, takes := range x.ofByte {
			if (element{class: byte(class)}).holds(lower(byte(c))) {
				x.ofClass[class].or(takes)
			}
		}
	}
	return x
}

func reads(i *syntax.Inst) bool {
	switch i.Op {
	case syntax.InstRune, syntax.InstRune1, syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
		return true
	}
	return false
}

// note finds the bytes that an instruction takes. What ignores case may take
// letters beyond ASCII, such as the Kelvin sign.
func (x *Expression) note(pc uint32, i *syntax.Inst) {
	for c := range rune(0x80) {
		if i.MatchRune(c) {
			x.ofByte[c].add(pc)
			x.ofByte[lower(byte(c))].add(pc)
		}
	}
	any := i.Op == syntax.InstRuneAny || i.Op == syntax.InstRuneAnyNotNL
	if any || syntax.Flags(i.Arg)&syntax.FoldCase != 0 || slices.Max(i.Rune) >= 0x80 {
		x.ofByte[0x80].add(pc)
	}
}

// reach adds what an instruction leads to without reading.
func (s stateSet) reach(prog *syntax.Prog, pc uint32, seen map[uint32]bool) {
	if seen[pc] {
		return
	}
	seen[pc] = true
	switch i := &prog.Inst[pc]; i.Op {
	case syntax.InstAlt, syntax.InstAltMatch:
		s.reach(prog, i.Out, seen)
		s.reach(prog, i.Arg, seen)
	case syntax.InstCapture, syntax.InstEmptyWidth, syntax.InstNop:
		s.reach(prog, i.Out, seen)
	case syntax.InstMatch:
		s.add(matched)
	case syntax.InstFail:
	default:
		s.add(pc)
	}
}

func (s stateSet) add(i uint32)      { s[i/64] |= 1 << (i % 64) }
func (s stateSet) has(i uint32) bool { return s[i/64]>>(i%64)&1 == 1 }

// or reports whether it added anything.
func (s stateSet) or(o stateSet) (more bool) {
	for i, w := range o {
		more = more || w&^s[i] != 0
		s[i] |= w
	}
	return more
}

// step adds to dst where the states of now lead to by reading an element.
func (x *Expression) step(dst, now stateSet, e element) (more bool) {
	takes := x.ofClass[e.class]
	if e.class == isByte {
		takes = x.ofByte[min(e.value, 0x80)]
	}
	for k := range now {
		for w := now[k] & takes[k]; w != 0; w &= w - 1 {
			more = dst.or(x.after[k*64+bits.TrailingZeros64(w)]) || more
		}
	}
	return more
}

// CanMatch reports whether the text of a line of this type can match: it runs
// the expression over the pattern of the type, from all places at once.
func (t *Type) CanMatch(x *Expression) bool {
	now, next := slices.Clone(x.start), slices.Clone(x.start)
	for _, e := range t.pattern {
		if now.has(matched) {
			return true
		}
		copy(next, x.start)
		x.step(next, now, e)
		for more := e.repeats(); more; {
			more = x.step(next, next, e)
		}
		if e.mayBeNothing() {
			next.or(now)
		}
		now, next = next, now
	}
	return now.has(matched)
}

// mayBeNothing reports whether no character may begin in an element: some are
// empty, and the bytes from 0x80 on are mostly the rest of a character.
func (e element) mayBeNothing() bool {
	return e.class == isFraction || e.class == slotTail || e.class == slotString || e.class == isByte && e.value >= 0x80
}
