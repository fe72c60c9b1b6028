package promql

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"

	"rondo/rrd"
)

// The bounds of a query's text. The work of the parser, and of the engine
// before it looks at its clock, grows with the square of the number of words (names,
// operators, brackets, whole strings): of ten thousand they make half a minute.
const (
	maxQueryLen   = 128 << 10
	maxQueryWords = 2000
)

// subqueryStep is the resolution of a subquery that names none.
const subqueryStep = time.Minute

// An Engine evaluates PromQL over archives. Its methods may be called at once
// from many goroutines.
type Engine struct {
	querier rrd.Querier
	index   rrd.Index
	options Options
	engine  *promql.Engine
	slots   chan struct{} // one token per query that runs
}

var _ rrd.Evaluator = (*Engine)(nil)

// New makes an engine that reads series from q and, for the HTTP API, the names
// of series from ix.
func New(q rrd.Querier, ix rrd.Index, o Options) *Engine {
	o = o.orDefaults()
	return &Engine{
		querier: q, index: ix, options: o,
		slots: make(chan struct{}, o.MaxConcurrent),
		engine: promql.NewEngine(promql.EngineOpts{
			Logger:                   slog.New(slog.DiscardHandler),
			MaxSamples:               o.MaxSamples,
			Timeout:                  o.Timeout,
			LookbackDelta:            minLookback,
			NoStepSubqueryIntervalFn: func(int64) int64 { return subqueryStep.Milliseconds() },
			EnableAtModifier:         true,
			EnableNegativeOffset:     true,
			// Graphite's series differ in nothing but their names. Were those
			// dropped at once, sum(rate(...)) over two of them would be refused.
			EnableDelayedNameRemoval: true,
			Parser:                   newParser(),
		}),
	}
}

// newParser reads PromQL without its experimental parts, as Prometheus does
// unless told otherwise.
func newParser() parser.Parser { return parser.NewParser(parser.Options{}) }

// Check says what is wrong with an expression, with line and column, or nil.
// It does not look at any series.
func Check(expr string) error {
	_, err := parse(expr)
	return err
}

func parse(expr string) (parser.Expr, error) {
	if err := checkLength(expr); err != nil {
		return nil, err
	}
	e, err := newParser().ParseExpr(expr)
	if err != nil {
		return nil, badQuery(err)
	}
	return e, nil
}

// checkLength refuses a query before the parser sees it.
func checkLength(expr string) error {
	if len(expr) > maxQueryLen {
		return badQuery(fmt.Errorf("the query has %d bytes, more than %d", len(expr), maxQueryLen))
	}
	lexer, item := parser.Lex(expr), parser.Item{}
	for range maxQueryWords {
		if lexer.NextItem(&item); item.Typ == parser.EOF || item.Typ == parser.ERROR {
			return nil
		}
	}
	return badQuery(fmt.Errorf("the query has more than %d names, operators and brackets", maxQueryWords))
}

// Eval answers an expression at one instant: one value for each series, or a
// single value without labels for a scalar. It implements rrd.Evaluator.
func (e *Engine) Eval(ctx context.Context, expr string, at time.Time) ([]rrd.Value, error) {
	a, err := e.instant(ctx, expr, at)
	if err != nil {
		return nil, err
	}
	defer a.close()
	return valuesOf(a.value)
}

// valuesOf copies a result: the engine takes its memory back.
func valuesOf(result parser.Value) ([]rrd.Value, error) {
	switch v := result.(type) {
	case promql.Scalar:
		return []rrd.Value{{Time: rrd.FromMillis(v.T), Value: v.V}}, nil
	case promql.Vector:
		out := make([]rrd.Value, len(v))
		for i, s := range v {
			out[i] = rrd.Value{Labels: rrdLabels(s.Metric), Time: rrd.FromMillis(s.T), Value: s.F}
		}
		return out, nil
	}
	return nil, &Error{BadData, fmt.Errorf("the expression is a %s: want an instant vector or a scalar", parser.DocumentedType(result.Type()))}
}

// An answer is what a query gave. It must be closed, and its value
// not used afterwards: the engine takes the memory back.
type answer struct {
	value    parser.Value
	answered []Answer
	warnings []string
	infos    []string
	close    func()
}

func (e *Engine) instant(ctx context.Context, expr string, at time.Time) (*answer, error) {
	return e.run(ctx, expr, func(ctx context.Context) (promql.Query, error) {
		return e.engine.NewInstantQuery(ctx, nothing{}, nil, expr, at)
	})
}

func (e *Engine) overRange(ctx context.Context, expr string, start, end time.Time, step time.Duration) (*answer, error) {
	return e.run(ctx, expr, func(ctx context.Context) (promql.Query, error) {
		return e.engine.NewRangeQuery(ctx, nothing{}, nil, expr, start, end, step)
	})
}

// run prepares a query, waits for a place, reads what the query needs, and
// lets the engine evaluate it. A wrong query waits for nobody.
func (e *Engine) run(ctx context.Context, expr string, prepare func(context.Context) (promql.Query, error)) (*answer, error) {
	if err := checkLength(expr); err != nil {
		return nil, err
	}
	query, err := prepare(ctx)
	if err != nil {
		return nil, badQuery(err)
	}
	ctx, cancel := context.WithTimeout(ctx, e.options.Timeout)
	defer cancel()
	a, err := e.evaluate(ctx, query, expr)
	if err != nil {
		query.Close()
		return nil, err
	}
	a.close = query.Close
	return a, nil
}

// enter takes a place among the queries that run, and leave gives it back.
func (e *Engine) enter(ctx context.Context) error {
	if ctx.Err() == nil {
		select {
		case e.slots <- struct{}{}:
			return nil
		case <-ctx.Done():
		}
	}
	return contextError(ctx.Err(), "query queue")
}

func (e *Engine) leave() { <-e.slots }

// evaluate puts the series that were read into the query's own tree, where the
// engine takes them as selected already.
func (e *Engine) evaluate(ctx context.Context, query promql.Query, expr string) (*answer, error) {
	stmt, ok := query.Statement().(*parser.EvalStmt)
	if !ok {
		return nil, badQuery(fmt.Errorf("not an expression: %s", expr))
	}
	if err := e.enter(ctx); err != nil {
		return nil, err
	}
	defer e.leave()
	n := newNotes(expr)
	selectors := findSelectors(stmt, expr)
	l := loader{querier: e.querier, options: e.options, notes: n}
	lookback, err := l.load(ctx, selectors)
	if err != nil {
		return nil, err
	}
	stmt.LookbackDelta = lookback
	answered := answeredBy(selectors, lookback)
	bind(stmt, selectors, n)

	res := query.Exec(ctx)
	if res.Err != nil {
		return nil, engineError(res.Err)
	}
	warnings, infos := n.texts(res.Warnings)
	return &answer{value: res.Value, answered: answered, warnings: warnings, infos: infos}, nil
}
