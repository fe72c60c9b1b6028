package rrd

import (
	"encoding/binary"
	"errors"
	"time"
)

// setCodec is the version of the bytes below, in front of them.
const setCodec = 1

// errSetBytes is what is wrong with the bytes of a definition or a state.
var errSetBytes = errors.New("rrd: definition or state of a set is cut short or has impossible values")

// AppendBinary appends the definition to b:
//
//	definition = version:1 mended:1 step:uvarint  sources:uvarint { source }  archives:uvarint { archive }
//	source     = type:1 name:text heartbeat:uvarint min:8 max:8 expression:text
//	archive    = cf:1 steps:uvarint rows:uvarint xff:8 [ family ]
//	family     = alpha beta gamma smoothing deltapos deltaneg (8 each)
//	             smoothrow partner threshold window (uvarint each)
//	text       = length:uvarint bytes
//
// Durations are in seconds, numbers of 8 bytes are floats, little endian. Only
// archives of the Holt-Winters family have its part.
func (d *SetDefinition) AppendBinary(b []byte) []byte {
	b = append(b, setCodec, 0)
	if d.Mended {
		b[len(b)-1] = 1
	}
	b = binary.AppendUvarint(b, uint64(d.Step/time.Second))
	b = binary.AppendUvarint(b, uint64(len(d.Sources)))
	for _, s := range d.Sources {
		b = appendString(append(b, byte(s.Type)), s.Name)
		b = binary.AppendUvarint(b, uint64(s.Heartbeat/time.Second))
		b = appendString(appendFloats(b, s.Min, s.Max), s.Expression)
	}
	b = binary.AppendUvarint(b, uint64(len(d.Archives)))
	for _, a := range d.Archives {
		b = append(b, byte(a.CF))
		b = appendFloats(appendCounts(b, a.Steps, a.Rows), a.XFF)
		if h := a.HoltWinters; h != nil {
			b = appendFloats(b, h.Alpha, h.Beta, h.Gamma, h.Smoothing, h.DeltaPos, h.DeltaNeg)
			b = appendCounts(b, h.SmoothRow, h.Partner, h.Threshold, h.Window)
		}
	}
	return b
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendCounts(b []byte, counts ...int) []byte {
	for _, n := range counts {
		b = binary.AppendUvarint(b, uint64(n))
	}
	return b
}

// ReadSetDefinition reads what AppendBinary wrote, and returns the bytes
// behind it. The definition is valid.
func ReadSetDefinition(b []byte) (d SetDefinition, rest []byte, err error) {
	r := stateReader{b: b}
	if r.byte() != setCodec {
		return SetDefinition{}, nil, errSetBytes
	}
	d.Mended = r.byte() == 1
	d.Step = r.seconds()
	for range r.count() {
		s := DataSource{Type: Type(r.byte()), Name: r.string(), Heartbeat: r.seconds()}
		s.Min, s.Max, s.Expression = r.float(), r.float(), r.string()
		d.Sources = append(d.Sources, s)
	}
	for range r.count() {
		a := SetArchive{CF: CF(r.byte()), Steps: r.int(), Rows: r.int(), XFF: r.float()}
		if a.CF > Last {
			h := &HoltWinters{Alpha: r.float(), Beta: r.float(), Gamma: r.float(), Smoothing: r.float(), DeltaPos: r.float(), DeltaNeg: r.float()}
			h.SmoothRow, h.Partner, h.Threshold, h.Window = r.int(), r.int(), r.int(), r.int()
			a.HoltWinters = h
		}
		d.Archives = append(d.Archives, a)
	}
	if r.failed {
		return SetDefinition{}, nil, errSetBytes
	}
	return d, r.b, d.Validate()
}

// AppendBinary appends the state to b:
//
//	state  = version:1 last:varint  { text:text value:8 unknown:varint }  { cell }  { hw }  { season }
//	cell   = value:8 unknown:varint
//	hw     = level lastlevel slope lastslope (8 each) count lastcount (varint) violations:uvarint
//	season = newest:uvarint { value:8 }
//
// There are as many of each as the definition says: a text for each data
// source, a cell for each archive and data source, a hw for each archive of
// the Holt-Winters family and data source, and a season for each Seasonal and
// DevSeasonal.
func (st *SetState) AppendBinary(b []byte) []byte {
	b = binary.AppendVarint(append(b, setCodec), int64(st.Last))
	for _, s := range st.Sources {
		b = binary.AppendVarint(appendFloats(appendString(b, s.Text), s.Value), s.Unknown)
	}
	for _, cells := range st.Cells {
		for _, c := range cells {
			b = binary.AppendVarint(appendFloats(b, c.Value), c.Unknown)
		}
	}
	for _, hws := range st.HoltWinters {
		for _, h := range hws {
			b = appendFloats(b, h.Level, h.LastLevel, h.Slope, h.LastSlope)
			b = binary.AppendVarint(binary.AppendVarint(b, h.Count), h.LastCount)
			b = binary.AppendUvarint(b, uint64(h.Violations))
		}
	}
	for _, s := range st.Seasons {
		if len(s.Values) > 0 {
			b = appendFloats(appendCounts(b, s.Newest), s.Values...)
		}
	}
	return b
}

// ReadSetState reads what AppendBinary wrote for a set of definition d, which
// must be valid, and returns the bytes behind it.
func ReadSetState(d *SetDefinition, b []byte) (st SetState, rest []byte, err error) {
	r := stateReader{b: b}
	// A cell has at least 9 bytes: what is made is bounded by what is there.
	if r.byte() != setCodec || len(d.Sources)*len(d.Archives) > len(b)/9 {
		return SetState{}, nil, errSetBytes
	}
	n := len(d.Sources)
	st.Last = Time(r.varint())
	for range n {
		st.Sources = append(st.Sources, SourceState{r.string(), r.float(), r.varint()})
	}
	for range d.Archives {
		cells := make([]CellState, n)
		for i := range cells {
			cells[i] = CellState{r.float(), r.varint()}
		}
		st.Cells = append(st.Cells, cells)
	}
	if d.family() {
		r.family(d, &st)
	}
	if r.failed {
		return SetState{}, nil, errSetBytes
	}
	return st, r.b, st.fits(d)
}

func (r *stateReader) family(d *SetDefinition, st *SetState) {
	st.HoltWinters = make([][]HoltWintersState, len(d.Archives))
	st.Seasons = make([]Season, len(d.Archives))
	for i, a := range d.Archives {
		for range d.Sources {
			if a.HoltWinters == nil || r.failed {
				break
			}
			h := HoltWintersState{Level: r.float(), LastLevel: r.float(), Slope: r.float(), LastSlope: r.float()}
			h.Count, h.LastCount, h.Violations = r.varint(), r.varint(), uint32(r.uvarint())
			st.HoltWinters[i] = append(st.HoltWinters[i], h)
		}
	}
	for i, a := range d.Archives {
		if !a.season() || r.failed {
			continue
		}
		st.Seasons[i].Newest = r.int()
		if n := a.Rows * len(d.Sources); n <= len(r.b)/8 {
			st.Seasons[i].Values = r.floats(n)
		} else {
			r.failed = true
		}
	}
}

func (r *stateReader) byte() byte {
	if len(r.b) == 0 {
		r.failed = true
		return 0
	}
	v := r.b[0]
	r.b = r.b[1:]
	return v
}

// count is how many elements follow, each of which has bytes.
func (r *stateReader) count() int {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		r.failed = true
		return 0
	}
	return int(n)
}

func (r *stateReader) string() string {
	n := r.count()
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}

// int is a number that has room in any int.
func (r *stateReader) int() int {
	n := r.uvarint()
	if n > 1<<40 {
		r.failed = true
		return 0
	}
	return int(n)
}

func (r *stateReader) seconds() time.Duration {
	n := r.uvarint()
	if n > uint64(maxSeconds) {
		r.failed = true
		return 0
	}
	return time.Duration(n) * time.Second
}

func (r *stateReader) floats(n int) []float64 {
	fs := make([]float64, n)
	for i := range fs {
		fs[i] = r.float()
	}
	return fs
}
