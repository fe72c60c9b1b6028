package query

import (
	"slices"
	"strconv"
	"strings"

	"rondo/syslogd"
	"rondo/syslogd/extract"
	"rondo/syslogd/filter"
)

func pipeNames() []string {
	return []string{"stats", "top", "patterns", "uniq", "sort", "limit", "head", "fields", "where", "extract", "json", "logfmt"}
}

// pipe reads one pipe behind its bar.
func (p *parser) pipe() (Pipe, error) {
	name := p.word()
	at := p.pos
	p.pos += len(name)
	switch strings.ToLower(name) {
	case "stats":
		return p.stats()
	case "top":
		n, ok, err := p.number()
		if !ok {
			n = 10
		}
		if err != nil {
			return nil, err
		}
		p.accept("by")
		by, err := p.list()
		return Top{n, by}, err
	case "patterns":
		return p.patterns()
	case "uniq":
		p.accept("by")
		by, err := p.list()
		return Uniq{by}, err
	case "sort":
		return p.sort()
	case "limit", "head":
		n, ok, err := p.number()
		if err == nil && !ok {
			err = p.errorf(p.pos, "%s wants a number", name)
		}
		return Limit{n}, err
	case "fields":
		names, err := p.list()
		return Fields{names}, err
	case "where":
		return p.where()
	case "extract":
		return p.extract()
	case "json":
		from, err := p.from()
		return JSON{from}, err
	case "logfmt":
		from, err := p.from()
		return Logfmt{from}, err
	case "":
		return nil, p.errorf(at, "a pipe is expected: %s", strings.Join(pipeNames(), ", "))
	}
	return nil, p.errorf(at, "no pipe %q; did you mean %s? To match either of two words, write \"or\"", name, filter.Nearest(name, pipeNames()))
}

func (p *parser) stats() (Pipe, error) {
	var s Stats
	for {
		a, err := p.agg()
		if err != nil {
			return nil, err
		}
		if s.Aggs = append(s.Aggs, a); len(s.Aggs) > maxNames {
			return nil, p.errorf(p.pos, "more than %d functions", maxNames)
		}
		if !p.take(',') {
			break
		}
	}
	if !p.accept("by") {
		return s, p.distinct(s)
	}
	bracket := p.take('(')
	if err := p.groups(&s); err != nil {
		return nil, err
	}
	if bracket && !p.take(')') {
		return nil, p.errorf(p.pos, "a bracket that is not closed")
	}
	return s, p.distinct(s)
}

// groups reads what stats groups by.
func (p *parser) groups(s *Stats) error {
	for {
		p.skipBlank()
		at := p.pos
		if strings.EqualFold(p.word(), "bin") && strings.HasPrefix(strings.TrimLeft(p.src[p.pos+len("bin"):], " "), "(") {
			p.pos += len("bin")
			p.take('(')
			if s.Bin > 0 {
				return p.errorf(at, "bin twice")
			}
			if p.schema.typeOf("time") != Time.String() {
				return p.errorf(at, "no time here to make bins of")
			}
			d, err := p.spanOf()
			if err != nil {
				return err
			}
			s.Bin = d
		} else {
			name, err := p.column()
			if err != nil {
				return err
			}
			if slices.Contains(s.By, name) || len(s.By) == maxNames {
				return p.errorf(at, "%s twice, or more than %d names", name, maxNames)
			}
			s.By = append(s.By, name)
		}
		if !p.take(',') {
			return nil
		}
	}
}

// distinct refuses two columns of one name.
func (p *parser) distinct(s Stats) error {
	seen := map[string]bool{}
	for _, name := range s.By {
		seen[name] = true
	}
	if s.Bin > 0 {
		if seen["time"] {
			return p.errorf(p.pos, "two columns called time: by time and bin")
		}
		seen["time"] = true
	}
	for _, a := range s.Aggs {
		if seen[a.As] {
			return p.errorf(p.pos, "two columns called %s; rename one: %s(...) as name", a.As, a.Func)
		}
		seen[a.As] = true
	}
	return nil
}

func aggNames() []string {
	return []string{"count", "sum", "avg", "min", "max", "uniq", "p50", "p95", "p99"}
}

// agg reads one function of stats.
func (p *parser) agg() (a Agg, err error) {
	w := p.word()
	at := p.pos
	a.Func = strings.ToLower(w)
	if digits, ok := strings.CutPrefix(a.Func, "p"); ok {
		if n, err := strconv.Atoi(digits); err == nil && n > 0 && n < 100 {
			a.Func, a.P = "quantile", n
		}
	}
	if a.P == 0 && !slices.Contains(aggNames(), a.Func) {
		if w == "" {
			return a, p.errorf(at, "a function is expected, such as count() or p95(ms)")
		}
		return a, p.errorf(at, "no function %q; did you mean %s()?", w, filter.Nearest(a.Func, aggNames()))
	}
	if p.pos += len(w); !p.take('(') {
		return a, p.errorf(p.pos, "%s wants brackets: %s()", w, w)
	}
	if p.peek() != ')' {
		if a.Field, err = p.column(); err != nil {
			return a, err
		}
	} else if a.Func != "count" {
		return a, p.errorf(p.pos, "%s wants the name of a column", w)
	}
	if !p.take(')') {
		return a, p.errorf(p.pos, "a bracket that is not closed")
	}
	if a.As = a.name(); p.accept("as") {
		a.As, err = p.name()
	}
	return a, err
}

func (p *parser) patterns() (Pipe, error) {
	n, _, err := p.number()
	if err != nil {
		return nil, err
	}
	at := p.pos
	if _, err := p.known(at, syslogd.Pattern); err != nil {
		return nil, p.errorf(at, "patterns are those of messages: what comes before leaves none")
	}
	if !p.accept("by") {
		return Patterns{N: n}, nil
	}
	by, err := p.list()
	if slices.Contains(by, syslogd.Pattern) {
		return nil, p.errorf(at, "by pattern: they are by pattern anyway")
	}
	return Patterns{n, by}, err
}

func (p *parser) sort() (Pipe, error) {
	p.accept("by")
	var s Sort
	for {
		name, err := p.sortColumn()
		if err != nil {
			return nil, err
		}
		k := Key{Name: name, Desc: p.accept("desc")}
		if !k.Desc {
			p.accept("asc")
		}
		if s.Keys = append(s.Keys, k); len(s.Keys) > maxNames {
			return nil, p.errorf(p.pos, "more than %d names", maxNames)
		}
		if !p.take(',') {
			return s, nil
		}
	}
}

// sortColumn reads a column, or a function as stats has it: count() is the
// column count.
func (p *parser) sortColumn() (string, error) {
	w := p.word()
	at := p.pos
	if w == "" || !strings.HasPrefix(p.src[p.pos+len(w):], "(") {
		return p.column()
	}
	open, end := p.pos+len(w), strings.IndexByte(p.src[p.pos:], ')')
	if end < 0 {
		return "", p.errorf(open, "a bracket that is not closed")
	}
	name := strings.ToLower(w)
	if field := strings.TrimSpace(p.src[open+1 : p.pos+end]); field != "" {
		name += "_" + field
	}
	p.pos += end + 1
	return p.known(at, name)
}

func (p *parser) where() (Pipe, error) {
	p.skipBlank()
	at := p.pos
	f, n, err := filter.ParseRows(p.src[at:])
	if err != nil {
		return nil, shifted(err, at)
	}
	if f.Root == nil {
		return nil, p.errorf(at, "where wants a filter, such as count>10")
	}
	if err := p.knowAll(at, f.Root); err != nil {
		return nil, err
	}
	p.pos += n
	return Where{f}, nil
}

// knowAll checks the columns that a filter over rows names.
func (p *parser) knowAll(at int, e filter.Expr) (err error) {
	var terms []filter.Expr
	switch e := e.(type) {
	case filter.And:
		terms = e.Terms
	case filter.Or:
		terms = e.Terms
	case filter.Not:
		terms = []filter.Expr{e.Term}
	case *filter.Field:
		_, err = p.known(at+max(0, strings.Index(p.src[at:], e.Name)), e.Name)
	}
	for _, t := range terms {
		if err == nil {
			err = p.knowAll(at, t)
		}
	}
	return err
}

func (p *parser) extract() (Pipe, error) {
	if p.peek() != '"' {
		return nil, p.errorf(p.pos, `extract wants a pattern: extract "user=<user> ip=<ip>"`)
	}
	at := p.pos + 1
	text, err := p.quoted()
	if err != nil {
		return nil, err
	}
	pattern, err := extract.Compile(text)
	if err != nil {
		return nil, shifted(err, at)
	}
	from, err := p.from()
	return Extract{pattern, from}, err
}

// from reads the column that a text is taken from; the message, if not said.
func (p *parser) from() (string, error) {
	at := p.pos
	if p.accept("from") {
		return p.column()
	}
	return p.known(at, "message")
}
