package push

import (
	"encoding/binary"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/klauspost/compress/snappy"
	"google.golang.org/protobuf/encoding/protowire"

	"rondo/syslogd/macro"
	"rondo/syslogd/syslog"
)

// A stream is a set of labels in Loki, as it is written in requests.
type stream struct {
	text     string // {app="x", host="y"}
	json     string // {"app":"x","host":"y"}
	overflow bool   // it takes the messages of all streams that are too many
}

// A pair is a label, or a piece of structured metadata.
type pair struct{ name, value string }

// loki writes pushes (Loki's push.proto), in protocol buffers
//
//	PushRequest  streams = 1
//	Stream       labels = 1, entries = 2
//	Entry        timestamp = 1 (seconds = 1, nanos = 2), line = 2, structuredMetadata = 3 (name = 1, value = 2)
//
// or in JSON
//
//	{"streams": [{"stream": {"host": "x"}, "values": [["<ns>", "line", {"pid": "7"}]]}]}
type loki struct {
	whole
	asJSON   bool
	mixed    bool
	clock    Clock
	metadata bool
	labels   []field
	line     *macro.Template
	streams  streams

	pairs []pair // scratch
	value []byte // scratch
	taken map[string]int
}

func newLoki(cfg *Config, log *slog.Logger) (*loki, error) {
	l := &loki{
		asJSON: cfg.Format == LokiJSON, mixed: cfg.Mixed, clock: cfg.Time, metadata: !cfg.NoMetadata,
		streams: newStreams(cfg.Streams, log), taken: map[string]int{},
	}
	var err error
	if l.line, err = macro.Parse(cfg.Line, macro.Options{}); err != nil {
		return nil, err
	}
	l.labels, err = parseFields(cfg.Labels)
	return l, err
}

// parseFields are templates by name.
func parseFields(by map[string]macro.Source) (list []field, err error) {
	for _, name := range slices.Sorted(maps.Keys(by)) {
		t, err := macro.Parse(by[name], macro.Options{})
		if err != nil {
			return nil, err
		}
		list = append(list, field{name, t})
	}
	return list, nil
}

func (l *loki) path() string { return "/loki/api/v1/push" }

func (l *loki) contentType() string {
	if l.asJSON {
		return "application/json"
	}
	return "application/x-protobuf"
}

func (l *loki) append(dst []byte, m *syslog.Message, _ string) (*stream, []byte) {
	l.pairs = l.pairs[:0]
	l.value = l.value[:0]
	for _, f := range l.labels {
		start := len(l.value)
		l.value = f.value.Append(l.value, m)
		l.pairs = append(l.pairs, pair{f.name, string(l.value[start:])})
	}
	s := l.streams.of(l.pairs, time.Now())
	if !s.overflow {
		l.pairs = l.pairs[:0]
	}
	if l.metadata {
		l.addMetadata(m)
	}
	l.value = l.line.Append(l.value[:0], m)
	if l.asJSON {
		return s, l.appendJSON(dst, l.time(m), l.value)
	}
	return s, l.appendProto(dst, l.time(m), l.value)
}

// maxAhead is how much later than its reception a message may say that it was
// made. Loki refuses what is ten minutes ahead.
const maxAhead = 5 * time.Minute

// time is the timestamp of a message.
func (l *loki) time(m *syslog.Message) time.Time {
	if at := m.When(); l.clock == MessageTime && at.Year() >= 1970 && at.Sub(m.Received) <= maxAhead {
		return at
	}
	return m.Received
}

// addMetadata adds what the labels do not tell.
func (l *loki) addMetadata(m *syslog.Message) {
	clear(l.taken)
	for i, p := range l.pairs {
		l.taken[p.name] = i
	}
	l.add("facility", "", m.Facility.String())
	l.add("pid", "", m.PID)
	l.add("msgid", "", m.MsgID)
	if m.Sender.IsValid() {
		l.add("sender", "", m.Sender.Unmap().String())
	}
	if m.Truncated {
		l.add("truncated", "", "true")
	}
	if !m.Time.IsZero() && !l.time(m).Equal(m.Time) {
		l.add("time", "", timeText(m.Time))
	}
	for p := range syslog.SDParams(m.SD) {
		l.add(labelName(p.Name), p.ID, p.Value())
	}
}

// add adds a piece of metadata; one whose name is taken by another one is
// called after its element as well.
func (l *loki) add(name, id, value string) {
	if value == "" {
		return
	}
	i, taken := l.taken[name]
	if taken && id != "" {
		name = labelName(id + "_" + name)
		i, taken = l.taken[name]
	}
	if taken {
		l.pairs[i].value += "," + value
		return
	}
	l.taken[name] = len(l.pairs)
	l.pairs = append(l.pairs, pair{name, value})
}

// labelName makes a name of letters, digits and "_".
func labelName(name string) string {
	valid := func(i int) bool {
		c := name[i]
		return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || '0' <= c && c <= '9' && i > 0
	}
	for i := range len(name) {
		if !valid(i) {
			b := []byte(name)
			for ; i < len(b); i++ {
				if !valid(i) {
					b[i] = '_'
				}
			}
			return string(b)
		}
	}
	return name
}

// asUTF8 makes text UTF-8; each byte that is none becomes U+FFFD.
func asUTF8(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return string([]rune(s))
}

// appendProto appends an entry as a field of its stream.
func (l *loki) appendProto(dst []byte, at time.Time, line []byte) []byte {
	dst, done := begin(dst, 2)
	dst, end := begin(dst, 1)
	dst = protowire.AppendVarint(protowire.AppendTag(dst, 1, protowire.VarintType), uint64(at.Unix()))
	dst = protowire.AppendVarint(protowire.AppendTag(dst, 2, protowire.VarintType), uint64(at.Nanosecond()))
	dst = end(dst)
	dst = appendText(dst, 2, asUTF8(string(line)))
	for _, p := range l.pairs {
		dst, end = begin(dst, 3)
		dst = appendText(dst, 1, p.name)
		dst = appendText(dst, 2, asUTF8(p.value))
		dst = end(dst)
	}
	return done(dst)
}

func appendText(dst []byte, field protowire.Number, v string) []byte {
	return protowire.AppendString(protowire.AppendTag(dst, field, protowire.BytesType), v)
}

func (l *loki) appendJSON(dst []byte, at time.Time, line []byte) []byte {
	dst = append(dst, `["`...)
	dst = strconv.AppendInt(dst, at.UnixNano(), 10)
	dst = append(dst, `",`...)
	dst = appendQuoted(dst, string(line))
	if len(l.pairs) > 0 {
		dst = append(dst, ',')
		dst = appendPairs(dst, l.pairs)
	}
	return append(dst, ']')
}

func appendPairs(dst []byte, pairs []pair) []byte {
	dst = append(dst, '{')
	for i, p := range pairs {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendMember(dst, p.name, p.value)
	}
	return append(dst, '}')
}

// split makes a request for each stream, since Loki's answer is that of the
// last one: what it takes not of the others, it does not tell.
func (l *loki) split(items []item) [][]item {
	if l.mixed {
		return l.whole.split(items)
	}
	return byStream(items)
}

// byStream keeps the order of the items of each stream.
func byStream(items []item) (groups [][]item) {
	at := map[*stream]int{}
	for _, it := range items {
		i, known := at[it.stream]
		if !known {
			i = len(groups)
			at[it.stream] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], it)
	}
	return groups
}

func (l *loki) body(p *portion, items []item) []byte {
	if l.asJSON {
		return jsonBody(p, byStream(items))
	}
	return protoBody(p, byStream(items))
}

func jsonBody(p *portion, groups [][]item) []byte {
	dst := []byte(`{"streams":[`)
	for i, items := range groups {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, `{"stream":`...), items[0].stream.json...), `,"values":[`...)
		for j, it := range items {
			if j > 0 {
				dst = append(dst, ',')
			}
			dst = append(dst, p.data(it)...)
		}
		dst = append(dst, `]}`...)
	}
	return append(dst, `]}`...)
}

func protoBody(p *portion, groups [][]item) []byte {
	var dst []byte
	for _, items := range groups {
		labels := items[0].stream.text
		size := protowire.SizeTag(1) + protowire.SizeBytes(len(labels))
		for _, it := range items {
			size += it.to - it.from
		}
		dst = protowire.AppendTag(dst, 1, protowire.BytesType)
		dst = protowire.AppendVarint(dst, uint64(size))
		dst = appendText(dst, 1, labels)
		for _, it := range items {
			dst = append(dst, p.data(it)...)
		}
	}
	return snappy.Encode(nil, dst)
}

// begin opens a message in a message. Its length is known at the end: done
// writes it in front.
func begin(dst []byte, field protowire.Number) ([]byte, func([]byte) []byte) {
	dst = protowire.AppendTag(dst, field, protowire.BytesType)
	start := len(dst)
	return dst, func(dst []byte) []byte {
		var head [binary.MaxVarintLen64]byte
		n := binary.PutUvarint(head[:], uint64(len(dst)-start))
		return slices.Insert(dst, start, head[:n]...)
	}
}
