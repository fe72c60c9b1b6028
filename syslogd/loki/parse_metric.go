package loki

import (
	"slices"
	"strconv"
	"strings"
)

// precedence is how tightly a binary operator binds; 0 is none.
func precedence(op string) int {
	switch strings.ToLower(op) {
	case "or":
		return 1
	case "and", "unless":
		return 2
	case "==", "!=", ">", ">=", "<", "<=":
		return 3
	case "+", "-":
		return 4
	case "*", "/", "%":
		return 5
	case "^":
		return 6
	}
	return 0
}

// expr reads a metric query whose operators bind more tightly than least.
func (p *parseState) expr(least int) (expr, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	a, err := p.operand()
	if err != nil {
		return nil, err
	}
	for {
		op := p.tok
		n := precedence(op.text)
		if n <= least || op.kind != tokOp && op.kind != tokIdent {
			return a, nil
		}
		if err := p.term(); err != nil {
			return nil, err
		}
		e := &binaryExpr{op: strings.ToLower(op.text), a: a}
		if err := p.modifiers(e); err != nil {
			return nil, err
		}
		if e.op == "^" { // binds to the right
			n--
		}
		if e.b, err = p.expr(n); err != nil {
			return nil, err
		}
		if err := p.checkBinary(op, e); err != nil {
			return nil, err
		}
		a = e
	}
}

// modifiers reads what may stand behind a binary operator.
func (p *parseState) modifiers(e *binaryExpr) error {
	err := p.advance()
	if err == nil && p.is("bool") {
		e.asBool, err = p.accept("bool")
	}
	for _, word := range []string{"on", "ignoring", "group_left", "group_right"} {
		if err == nil && p.is(word) {
			err = p.errorf(p.tok, "%s is not supported; both sides must have the same labels", word)
		}
	}
	return err
}

func (p *parseState) checkBinary(op token, e *binaryExpr) error {
	n := precedence(e.op)
	switch {
	case n < 3 && (isScalar(e.a) || isScalar(e.b)):
		return p.errorf(op, "%s joins vectors, not numbers; write vector(0)", e.op)
	case e.asBool && n != 3:
		return p.errorf(op, "bool goes with comparisons only")
	}
	return nil
}

func isScalar(e expr) bool {
	switch e := e.(type) {
	case *number:
		return !e.vector
	case *binaryExpr:
		return isScalar(e.a) && isScalar(e.b)
	}
	return false
}

// operand reads a number, brackets, or a function.
func (p *parseState) operand() (expr, error) {
	at := p.tok
	switch {
	case p.is("("):
		if err := p.advance(); err != nil {
			return nil, err
		}
		e, err := p.expr(0)
		if err != nil {
			return nil, err
		}
		return e, p.expect(")")
	case p.is("-"), p.is("+"):
		if err := p.advance(); err != nil {
			return nil, err
		}
		n, err := p.number()
		if n != nil && at.text == "-" {
			n.value = -n.value
		}
		return n, err
	case at.kind == tokNumber:
		return p.number()
	case p.is("{"):
		return nil, p.errorf(at, "a log query within a metric query needs a range aggregation such as count_over_time({...}[5m])")
	case at.kind == tokIdent:
		return p.function(at)
	}
	return nil, p.errorf(at, "unexpected %v, expecting a query", at)
}

func (p *parseState) number() (*number, error) {
	t, err := p.take(tokNumber, "a number")
	if err != nil {
		return nil, err
	}
	v, perr := strconv.ParseFloat(t.text, 64)
	if perr != nil {
		return nil, p.errorf(t, "%s is not a number", t)
	}
	return &number{value: v}, nil
}

// function reads an aggregation.
func (p *parseState) function(at token) (expr, error) {
	switch op := strings.ToLower(at.text); op {
	case "count_over_time", "rate", "bytes_over_time", "bytes_rate":
		return p.rangeExpr(op)
	case "sum", "min", "max", "avg", "count", "topk", "bottomk":
		return p.vectorExpr(op)
	case "vector":
		return p.vector()
	case "rate_counter", "sum_over_time", "avg_over_time", "min_over_time", "max_over_time", "first_over_time", "last_over_time",
		"stdvar_over_time", "stddev_over_time", "quantile_over_time", "absent_over_time",
		"stddev", "stdvar", "sort", "sort_desc", "label_replace", "approx_topk", "variants":
		return nil, p.errorf(at, "%s is not supported", op)
	}
	return nil, p.errorf(at, "unknown function %v", at)
}

func (p *parseState) vector() (expr, error) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	if err := p.expect("("); err != nil {
		return nil, err
	}
	minus, err := p.accept("-")
	if err != nil {
		return nil, err
	}
	n, err := p.number()
	if err != nil {
		return nil, err
	}
	if n.vector = true; minus {
		n.value = -n.value
	}
	return n, p.expect(")")
}

// rangeExpr reads rate({...} | stages [5m] offset 1h).
func (p *parseState) rangeExpr(op string) (expr, error) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	if p.is("by") || p.is("without") {
		return nil, p.errorf(p.tok, "grouping is not allowed for %s; put sum by (...) around it", op)
	}
	if err := p.expect("("); err != nil {
		return nil, err
	}
	e := &rangeExpr{op: op}
	var err error
	if e.query, err = p.logQuery(true); err != nil {
		return nil, err
	}
	if err := p.window(e); err != nil {
		return nil, err
	}
	if err := p.expect(")"); err != nil {
		return nil, err
	}
	if p.is("by") || p.is("without") {
		return nil, p.errorf(p.tok, "grouping is not allowed for %s; put sum by (...) around it", op)
	}
	return e, nil
}

// window reads [5m] offset 1h, and the stages that Loki allows behind it.
func (p *parseState) window(e *rangeExpr) error {
	if err := p.expect("["); err != nil {
		return err
	}
	t, err := p.take(tokNumber, "a duration")
	if err != nil {
		return err
	}
	var ok bool
	if e.window, ok = parseDuration(t.text); !ok || e.window <= 0 || e.window > maxSpan {
		return p.errorf(t, "not a valid duration: %s", t)
	}
	if err := p.expect("]"); err != nil {
		return err
	}
	for {
		s, err := p.stage()
		if err != nil {
			return err
		}
		if s == nil {
			break
		}
		if err := p.term(); err != nil {
			return err
		}
		e.query.stages = append(e.query.stages, s)
	}
	return p.offset(e)
}

func (p *parseState) offset(e *rangeExpr) error {
	if ok, err := p.accept("offset"); !ok || err != nil {
		return err
	}
	minus, err := p.accept("-")
	if err != nil {
		return err
	}
	t, err := p.take(tokNumber, "a duration")
	if err != nil {
		return err
	}
	d, ok := parseDuration(t.text)
	if !ok || d > maxSpan {
		return p.errorf(t, "not a valid duration: %s", t)
	}
	if minus {
		d = -d
	}
	e.offset = d
	return nil
}

// vectorExpr reads sum by (a, b) (...), sum(...) by (a, b), topk(5, ...).
func (p *parseState) vectorExpr(op string) (expr, error) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	e := &vectorExpr{op: op}
	if err := p.grouping(e); err != nil {
		return nil, err
	}
	if err := p.expect("("); err != nil {
		return nil, err
	}
	if op == "topk" || op == "bottomk" {
		n, err := p.take(tokNumber, "a number")
		if err != nil {
			return nil, err
		}
		if e.k, err = strconv.Atoi(n.text); err != nil || e.k < 1 {
			return nil, p.errorf(n, "invalid parameter %s of %s: want a number above 0", n, op)
		}
		if err := p.expect(","); err != nil {
			return nil, err
		}
	}
	of, err := p.expr(0)
	if err != nil {
		return nil, err
	}
	if isScalar(of) {
		return nil, p.errorf(p.tok, "%s aggregates a vector, not a number", op)
	}
	e.of = of
	if err := p.expect(")"); err != nil {
		return nil, err
	}
	return e, p.grouping(e)
}

// grouping reads by (a, b) or without (a, b), once.
func (p *parseState) grouping(e *vectorExpr) error {
	by := p.is("by")
	if e.grouped || !by && !p.is("without") {
		return nil
	}
	e.grouped, e.without = true, !by
	if err := p.advance(); err != nil {
		return err
	}
	if err := p.expect("("); err != nil {
		return err
	}
	for !p.is(")") {
		if len(e.labels) > 0 {
			if err := p.expect(","); err != nil {
				return err
			}
		}
		name, err := p.take(tokIdent, "a label name")
		if err != nil {
			return err
		}
		if !slices.Contains(e.labels, name.text) {
			e.labels = append(e.labels, name.text)
		}
	}
	return p.expect(")")
}
