package rpn

// A Machine evaluates Programs with memory of its own, which it keeps. The
// zero Machine is ready. It is not safe for concurrent use.
type Machine struct{ stack []float64 }

// Eval computes p from a value for each of p.Variables(). now is what NOW
// pushes, in seconds since the epoch.
func (m *Machine) Eval(p *Program, values []float64, now float64) float64 {
	if len(m.stack) < p.depth {
		m.stack = make([]float64, p.depth)
	}
	stack, n := m.stack, 0
	for i := range p.code {
		in := &p.code[i]
		switch {
		case in.op == nil && in.source < 0:
			stack[n] = in.value
			n++
		case in.op == nil:
			stack[n] = values[in.source]
			n++
		case in.op.run == nil:
			v := float64(n)
			if in.op.name == "NOW" {
				v = now
			}
			stack[n] = v
			n++
		case in.op.counts > 0:
			n -= in.op.counts + in.op.take + in.n
			in.op.run(stack[n:n+in.op.take+in.n], in)
			n += in.op.givesSet(in.n)
		default:
			n -= in.op.take
			in.op.run(stack[n:], in)
			n += in.op.give
		}
	}
	return stack[0]
}
