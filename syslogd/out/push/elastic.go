package push

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"rondo/syslogd/macro"
	"rondo/syslogd/syslog"
)

// elastic writes bulk requests: for each message a line that says what to do,
// and one that is the document.
//
//	{"create":{"_index":"rondo-2026.11.21","_id":"KEY"}}
//	{"@timestamp":"2026-11-21T09:00:00Z", ...}
type elastic struct {
	objects
	index *macro.Template
}

func newElastic(cfg *Config) (*elastic, error) {
	o, err := newObjects(cfg)
	if err != nil {
		return nil, err
	}
	o.stamp = "@timestamp"
	index, err := macro.Parse(cfg.Index, macro.Options{})
	return &elastic{*o, index}, err
}

func (*elastic) path() string { return "/_bulk" }

func (*elastic) contentType() string { return "application/x-ndjson" }

func (e *elastic) append(dst []byte, m *syslog.Message, key string) (*stream, []byte) {
	e.value = e.index.Append(e.value[:0], m)
	dst = append(dst, `{"create":{`...)
	dst = appendMember(dst, "_index", indexName(string(e.value)))
	dst = appendMember(append(dst, ','), "_id", key)
	dst = append(dst, "}}\n"...)
	return nil, append(e.object(dst, m, key), '\n')
}

// maxIndex bounds the name of an index, in bytes.
const maxIndex = 255

// indexName makes a name that an index can have: what comes from messages may
// be anything.
func indexName(name string) string {
	name = strings.Map(func(r rune) rune {
		switch {
		case r >= 0x7f, r <= ' ', strings.ContainsRune(`\/*?"<>|,#:`, r):
			return '_'
		}
		return r
	}, strings.ToLower(name))
	return name[:min(len(name), maxIndex)]
}

// bulkAnswer is the answer to a bulk request: an item for each document, by
// the name of what was to be done.
type bulkAnswer struct {
	Items []map[string]bulkItem `json:"items"`
}

type bulkItem struct {
	Status int             `json:"status"`
	Error  json.RawMessage `json:"error"`
}

// errBulk says that an answer of 200 is not one to a bulk request: whatever
// answers there, it is not known to have taken anything.
var errBulk = errors.New("wrong configuration: the answer is not one to a bulk request")

func (e *elastic) read(items []item, answer []byte, refuse func(why string)) (left []item, why, err error) {
	var a bulkAnswer
	if err := json.Unmarshal(answer, &a); err != nil || len(a.Items) != len(items) {
		return nil, nil, errBulk
	}
	for i, actions := range a.Items {
		if len(actions) != 1 {
			return nil, nil, errBulk
		}
		for _, r := range actions {
			verdict := judge(r.Status)
			text := strconv.Itoa(r.Status) + " " + http.StatusText(r.Status) + ": " + compact(r.Error)
			switch {
			case r.Status == http.StatusConflict: // it was there already
			case verdict == refused:
				refuse(text)
			case verdict == later:
				left, why = append(left, items[i]), fmt.Errorf("a document is to come later: %.*s", maxQuoted, text)
			case verdict == misconfigured:
				return nil, nil, fmt.Errorf("wrong configuration: a document is answered %.*s", maxQuoted, text)
			}
		}
	}
	return left, why, nil
}
