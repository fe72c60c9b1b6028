package rpn

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// MaxWords bounds the length of an expression.
const MaxWords = 1000

// A Program is an expression that can be evaluated. It can be used by many at
// once.
type Program struct {
	code      []instruction
	variables []string
	depth     int // the most that is on the stack
}

// An instruction pushes a constant or a variable, or works on the stack.
type instruction struct {
	op     *operator // nil: push
	value  float64
	source int // of the variables, -1: value
	n      int // of the values that a set operator takes
	m      int // of ROLL: by how many
}

// ErrSeries refuses operators that need more than one value of each variable,
// in RRDtool's words.
var ErrSeries = errors.New("operators TIME LTIME STEPWIDTH PREV NEW* COUNT TREND TRENDNAN PREDICT PREDICTSIGMA PREDICTPERC are not supported with DS COMPUTE")

// Parse reads an expression over variables of these names.
func Parse(text string, names []string) (*Program, error) {
	words := strings.Split(strings.TrimSuffix(text, ","), ",")
	if len(words) > MaxWords {
		return nil, fmt.Errorf("rpn: %d words: want at most %d", len(words), MaxWords)
	}
	p := &Program{}
	var stack depths
	for i, word := range words {
		in, err := p.instruction(word, names)
		if err != nil {
			return nil, err
		}
		if err := stack.run(&in); err != nil {
			return nil, fmt.Errorf("rpn: word %d, %s: %w", i+1, word, err)
		}
		p.depth = max(p.depth, stack.n())
		p.code = append(p.code, in)
	}
	if stack.n() != 1 {
		return nil, errors.New("RPN final stack size != 1")
	}
	return p, nil
}

// Variables are the names that the expression uses, each once, in the order in
// which Eval wants their values.
func (p *Program) Variables() []string { return p.variables }

func (p *Program) instruction(word string, names []string) (instruction, error) {
	if v, err := strconv.ParseFloat(word, 64); err == nil && isNumber(word) {
		return instruction{value: v, source: -1}, nil
	}
	if op := lookup(word); op != nil {
		return instruction{op: op, source: -1}, nil
	}
	if seriesOperator(word) {
		return instruction{}, ErrSeries
	}
	if !slices.Contains(names, word) {
		return instruction{}, fmt.Errorf("rpn: %q is no number, no operator and no variable", word)
	}
	at := slices.Index(p.variables, word)
	if at < 0 {
		at = len(p.variables)
		p.variables = append(p.variables, word)
	}
	return instruction{source: at}, nil
}

// isNumber keeps out what only Go takes for a number: words, hexadecimal and
// underscores.
func isNumber(word string) bool {
	return strings.Trim(word, "+-.0123456789eE") == "" && strings.ContainsAny(word, "0123456789")
}

func seriesOperator(word string) bool {
	switch word {
	case "PREV", "COUNT", "TIME", "LTIME", "STEPWIDTH", "NEWDAY", "NEWWEEK", "NEWMONTH", "NEWYEAR",
		"TREND", "TRENDNAN", "PREDICT", "PREDICTSIGMA", "PREDICTPERC":
		return true
	}
	return strings.HasPrefix(word, "PREV(")
}

// depths is the stack while parsing: what is known of each value on it.
type depths struct{ known []*float64 }

func (s *depths) n() int { return len(s.known) }

// run lets in work, and fills in what it takes from literals.
func (s *depths) run(in *instruction) error {
	op := in.op
	if op == nil {
		v := &in.value
		if in.source >= 0 {
			v = nil
		}
		s.known = append(s.known, v)
		return nil
	}
	take, give := op.take, op.give
	if op.counts > 0 {
		if err := s.count(in); err != nil {
			return err
		}
		take, give = op.take+in.n, op.givesSet(in.n)
	}
	if take > s.n() {
		return errors.New("RPN stack underflow")
	}
	var depth *float64
	if op.name == "DEPTH" {
		d := float64(s.n())
		depth = &d
	}
	s.known = s.known[:s.n()-take]
	for range give {
		s.known = append(s.known, depth)
	}
	return nil
}

// count takes the number of values, and for ROLL by how many, from the top of
// the stack.
func (s *depths) count(in *instruction) error {
	n := in.op.counts
	if n > s.n() {
		return errors.New("RPN stack underflow")
	}
	var whole [2]int
	for i, v := range s.known[s.n()-n:] {
		if v == nil || *v != float64(int(*v)) || *v > MaxWords || *v < -MaxWords {
			return errors.New("want the number of values as a whole number in front of it")
		}
		whole[i] = int(*v)
	}
	in.n, in.m = whole[0], whole[1]
	if in.n < 1 || in.n > s.n()-n-in.op.take {
		return errors.New("RPN stack underflow")
	}
	s.known = s.known[:s.n()-n]
	return nil
}
