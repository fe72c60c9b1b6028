package logstore

import (
	"math"
	"net/netip"
	"regexp/syntax"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"rondo/syslogd"
	"rondo/syslogd/filter"
	"rondo/syslogd/logstore/chunk"
	"rondo/syslogd/syslog"
)

// verdict is what is known of a filter for a set of messages. The order
// makes And the minimum and Or the maximum.
type verdict uint8

const (
	no    verdict = iota // none matches
	maybe                // some may
	yes                  // all match
)

func judge(b bool) verdict {
	if b {
		return yes
	}
	return no
}

// plan is a query made ready.
type plan struct {
	root     *node
	leaves   []*node
	from, to int64 // from <= time < to, Unix ns
	received bool  // the time is that of reception, not When
	byOrigin bool  // some leaf asks for the host or the sender
	byWords  bool  // some leaf asks for words
	textOnly bool  // all leaves ask for the text
	trace    *trace

	severities  [8]verdict // if only the severity is known
	bySeverity  bool       // some leaf asks for it
	wantsFilter bool       // the filter of a chunk can rule it out

	// known has what ofType found out, by leaf and by ID of the type less
	// base: 0 is nothing yet, else the verdict + 1. alone is the same of
	// ofTypeAlone.
	known [][]uint32
	alone []uint32
	base  uint32
}

// node is an expression of the filter. A node without terms is a leaf.
type node struct {
	expr     filter.Expr
	op       byte // '&', '|', '-', 0 for a leaf
	terms    []*node
	index    int  // of a leaf
	isOrigin bool // of a leaf: it asks for the host or the sender
	// required says of a leaf that no message matches without it.
	required bool
	field    string   // of a leaf: "severity", "host" ...; "text"
	words    []string // tokens that the text of a match holds
	hashes   []uint64 // what the filter of a chunk with a match holds
	// literal is a lower-case part of the text of a match, "" if unknown.
	literal string
	// expression is a regular expression made ready for types; nil for others.
	expression *chunk.Expression
}

func newPlan(q syslogd.Query) *plan {
	p := &plan{from: math.MinInt64, to: math.MaxInt64, received: q.ByReceived}
	if !q.From.IsZero() {
		p.from = nanos(q.From)
	}
	if !q.To.IsZero() {
		p.to = nanos(q.To)
	}
	if q.Filter != nil && q.Filter.Root != nil {
		p.root = p.compile(q.Filter.Root)
		for _, n := range append(slices.Clip(p.root.terms), p.root) {
			n.required = n.op == 0 && (n == p.root || p.root.op == '&')
		}
		p.wantsFilter = p.canFilter()
		p.textOnly = !slices.ContainsFunc(p.leaves, func(n *node) bool { return n.field != "text" })
	}
	for i := range p.severities {
		p.severities[i] = p.judgeSeverity(syslog.Severity(i))
	}
	return p
}

// maxKnown is how many types a plan remembers the verdicts of.
const maxKnown = 1 << 16

// remember makes room for the verdicts on the newest types, last being the
// newest of all.
func (p *plan) remember(last uint32) {
	n := min(last, maxKnown)
	p.base, p.known, p.alone = last-n, make([][]uint32, len(p.leaves)), make([]uint32, n+1)
	for i := range p.known {
		p.known[i] = make([]uint32, n+1)
	}
}

// ofType judges a leaf for all messages of a type. Chunks share types, and a
// search looks at many chunks, on several processors.
func (p *plan) ofType(n *node, t *chunk.Type, id uint32) verdict {
	return once(p.known[n.index], id-p.base, func() verdict { return n.ofType(t) })
}

// ofTypeAlone judges all messages of types[i], wherever they come from.
func (p *plan) ofTypeAlone(types []*chunk.Type, i int, id uint32) verdict {
	return once(p.alone, id-p.base, func() verdict {
		return p.root.eval(func(n *node) verdict { return p.ofType(n, types[i], id) })
	})
}

// once finds a verdict, unless it is known.
func once(known []uint32, i uint32, find func() verdict) verdict {
	if i >= uint32(len(known)) {
		return find()
	}
	if v := atomic.LoadUint32(&known[i]); v > 0 {
		return verdict(v - 1)
	}
	v := find()
	atomic.StoreUint32(&known[i], uint32(v)+1)
	return v
}

// nanos is t in Unix nanoseconds, at the bounds where they do not suffice.
func nanos(t time.Time) int64 {
	switch {
	case t.Before(chunk.MinTime):
		return math.MinInt64
	case t.After(chunk.MaxTime):
		return math.MaxInt64
	}
	return t.UnixNano()
}

func (p *plan) compile(e filter.Expr) *node {
	n := &node{expr: e}
	switch e := e.(type) {
	case filter.And:
		n.op, n.terms = '&', p.compileAll(e.Terms)
	case filter.Or:
		n.op, n.terms = '|', p.compileAll(e.Terms)
	case filter.Not:
		n.op, n.terms = '-', p.compileAll([]filter.Expr{e.Term})
	default:
		n.index = len(p.leaves)
		p.leaves = append(p.leaves, n)
		n.describe()
		p.bySeverity = p.bySeverity || n.field == "severity"
		p.byOrigin = p.byOrigin || n.isOrigin
		p.byWords = p.byWords || len(n.words) > 0
	}
	return n
}

func (p *plan) compileAll(terms []filter.Expr) []*node {
	var nodes []*node
	for _, t := range terms {
		nodes = append(nodes, p.compile(t))
	}
	return nodes
}

// describe finds what the index can know of a leaf.
func (n *node) describe() {
	n.field = "text"
	switch e := n.expr.(type) {
	case *filter.Field:
		n.field = e.Name
		n.isOrigin = n.field == "host" || n.field == "sender"
		exact := e.Op == filter.Equal || e.Op == filter.Is
		if n.field == "host" && exact && (e.Quoted || !strings.Contains(e.Value, "*")) {
			n.hashes = append(n.hashes, chunk.HostHash(filter.Lower(e.Value)))
		}
		return
	case filter.Phrase:
		n.literal = e.Text
	case filter.Regex:
		n.literal = requiredLiteral(e.Regexp.String())
		n.expression = chunk.NewExpression(e.Regexp.String())
	case filter.Word:
		n.literal = e.Text
		if a, err := netip.ParseAddr(e.Text); err == nil && a.Is4() && !e.Prefix {
			n.hashes = append(n.hashes, chunk.TokenHash(e.Text))
		}
	}
	for _, w := range filter.Words(&filter.Filter{Root: n.expr}) {
		if !chunk.IsTrivial(w) {
			n.words = append(n.words, w)
			n.hashes = append(n.hashes, chunk.TokenHash(w))
		}
	}
}

// requiredLiteral is the longest lower-case string that any match of a regular
// expression contains, ignoring case; "" if none is found.
func requiredLiteral(src string) string {
	re, err := syntax.Parse(src, syntax.Perl)
	if err != nil {
		return ""
	}
	return longestLiteral(re.Simplify())
}

func longestLiteral(re *syntax.Regexp) (best string) {
	switch re.Op {
	case syntax.OpLiteral:
		s := filter.Lower(string(re.Rune))
		if re.Flags&syntax.FoldCase != 0 && strings.ContainsAny(s, "ks") {
			return "" // which fold with the Kelvin sign and the long s
		}
		return s
	case syntax.OpCapture, syntax.OpPlus:
		return longestLiteral(re.Sub[0])
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			if s := longestLiteral(sub); len(s) > len(best) {
				best = s
			}
		}
	}
	return best
}

// eval judges the expression from the verdicts of its leaves.
func (n *node) eval(leaf func(*node) verdict) verdict {
	if n == nil {
		return yes
	}
	switch n.op {
	case '&':
		v := yes
		for _, t := range n.terms {
			if v = min(v, t.eval(leaf)); v == no {
				break
			}
		}
		return v
	case '|':
		v := no
		for _, t := range n.terms {
			if v = max(v, t.eval(leaf)); v == yes {
				break
			}
		}
		return v
	case '-':
		return yes - n.terms[0].eval(leaf)
	}
	return leaf(n)
}

// matches is the last resort.
func (p *plan) matches(m *syslog.Message) bool { return p.root == nil || p.root.expr.Match(m) }

// time is that of a row by which the plan goes.
func (p *plan) time(rows *chunk.Rows, i int) int64 {
	if p.received {
		return rows.Received(i)
	}
	return rows.When(i)
}

// covers reports whether all times of a span are asked for.
func (p *plan) covers(x span) bool { return p.from <= x.min && x.max < p.to }

// overlaps reports whether any is.
func (p *plan) overlaps(x span) bool { return p.from <= x.max && x.min < p.to }

// ofHead and ofChunk are the spans of the times by which the plan goes.
func (p *plan) ofHead(h *head) span {
	if p.received {
		return h.received
	}
	return h.when
}

func (p *plan) ofChunk(h *chunk.Header) span {
	if p.received {
		return span{h.MinReceived, h.MaxReceived}
	}
	return span{h.MinWhen, h.MaxWhen}
}

// ofSeverity judges messages of which only the severity is known.
func (p *plan) ofSeverity(s syslog.Severity) verdict {
	if int(s) < len(p.severities) {
		return p.severities[s]
	}
	return p.judgeSeverity(s)
}

func (p *plan) judgeSeverity(s syslog.Severity) verdict {
	m := syslog.Message{Severity: s}
	return p.root.eval(func(n *node) verdict {
		if n.field == "severity" {
			return judge(n.expr.Match(&m))
		}
		return maybe
	})
}

// asked reports whether an hour of a header may hold what is asked for.
func (p *plan) asked(h *chunk.Header, c chunk.HourCount) bool {
	return p.received || p.overlaps(ofHour(h, c.Hour))
}

// inTime judges a chunk by the times in its header. It goes by the hours: one
// wrong clock among the senders makes the bounds useless.
func (p *plan) inTime(h *chunk.Header) bool {
	time := p.ofChunk(h)
	return p.covers(time) || p.overlaps(time) && (h.Hours == nil || slices.ContainsFunc(h.Hours, func(c chunk.HourCount) bool { return p.asked(h, c) }))
}

// ofSeverities judges a chunk by the severities in its header.
func (p *plan) ofSeverities(h *chunk.Header) verdict {
	if h.Hours == nil || !p.bySeverity {
		return maybe
	}
	return p.root.eval(func(n *node) verdict {
		if n.field != "severity" {
			return maybe
		}
		any, all := false, true
		for _, c := range h.Hours {
			if !p.asked(h, c) {
				continue
			}
			ok := n.expr.Match(&syslog.Message{Severity: c.Severity})
			any, all = any || ok, all && ok
		}
		return known(any, all)
	})
}

func known(any, all bool) verdict {
	switch {
	case all && any:
		return yes
	case any:
		return maybe
	}
	return no
}

// ofFilter judges a chunk by the filter of its words.
func (p *plan) ofFilter(bloom []byte) verdict {
	return p.root.eval(func(n *node) verdict {
		for _, h := range n.hashes {
			if !chunk.MayHold(bloom, h) {
				return no
			}
		}
		return maybe
	})
}

// canFilter reports whether the filter of a chunk can rule it out at all.
func (p *plan) canFilter() bool {
	return p.root.eval(func(n *node) verdict {
		if len(n.hashes) > 0 {
			return no
		}
		return maybe
	}) == no
}

// ofType judges a leaf for all messages of a type.
func (n *node) ofType(t *chunk.Type) verdict {
	if n.isOrigin {
		return maybe
	}
	m, known := t.Known()
	if need := needs(n.field); known&need == need {
		return judge(n.expr.Match(&m))
	}
	if n.field == "text" {
		return n.ofText(t)
	}
	return maybe
}

// needs is what a type must know of its messages to tell a field.
func needs(field string) chunk.Known {
	switch field {
	case "severity", "facility":
		return 0
	case "app":
		return chunk.KnowsApp
	case "pid":
		return chunk.KnowsPID
	case "msgid":
		return chunk.KnowsMsgID
	case "text":
		return chunk.KnowsText
	}
	return chunk.KnowsSD // sd.KEY
}

// ofText judges a leaf for a type whose text has slots.
func (n *node) ofText(t *chunk.Type) verdict {
	for _, w := range n.words {
		if !t.CanHold(w) {
			return no
		}
	}
	want := n.literal
	if _, word := n.expr.(filter.Word); word && len(n.words) > 0 {
		// That was asked with the words.
	} else if isASCII(want) && !t.CanContain(want) {
		return no
	}
	if n.expression != nil && !t.CanMatch(n.expression) {
		return no
	}
	if re, ok := n.expr.(filter.Regex); ok {
		if _, literal := re.Regexp.LiteralPrefix(); !literal {
			return maybe
		}
	}
	// What is found between the slots is there in every line; the byte that
	// stands for a slot must not be part of it.
	if want != "" && strings.IndexByte(want, 0xff) < 0 && n.expr.Match(&syslog.Message{Text: t.Skeleton()}) {
		return yes
	}
	return maybe
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
}
