package alerts

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"rondo/rrd"
)

// number is a value in JSON: NaN and the infinities, which JSON has no number
// for, are strings, as in Prometheus' API.
type number float64

// MarshalJSON implements json.Marshaler.
func (n number) MarshalJSON() ([]byte, error) {
	if v := float64(n); math.IsNaN(v) || math.IsInf(v, 0) {
		return json.Marshal(strconv.FormatFloat(v, 'g', -1, 64))
	}
	return json.Marshal(float64(n))
}

// UnmarshalJSON implements json.Unmarshaler.
func (n *number) UnmarshalJSON(b []byte) error {
	v, err := strconv.ParseFloat(strings.Trim(string(b), `"`), 64)
	*n = number(v)
	return err
}

// labelMap is labels in JSON: an object.
type labelMap rrd.Labels

// MarshalJSON implements json.Marshaler.
func (l labelMap) MarshalJSON() ([]byte, error) {
	return json.Marshal(MapOf(rrd.Labels(l)))
}

// UnmarshalJSON implements json.Unmarshaler.
func (l *labelMap) UnmarshalJSON(b []byte) error {
	var m map[string]string
	if err := json.Unmarshal(b, &m); err != nil {
		return err
	}
	*l = labelMap(NewLabels(m))
	return nil
}

// transitionJSON is the form of a Transition in the store, the API and on an
// exec hook's standard input.
type transitionJSON struct {
	ID          string            `json:"id"`
	Rule        string            `json:"rule"`
	Labels      labelMap          `json:"labels"`
	From        Status            `json:"from"`
	To          Status            `json:"to"`
	Since       time.Time         `json:"since"`
	At          time.Time         `json:"at"`
	Value       number            `json:"value"`
	Text        string            `json:"text"`
	Flap        FlapChange        `json:"flap,omitempty"`
	Expr        string            `json:"expr,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Muted       bool              `json:"muted,omitempty"`
	Mute        Mute              `json:"mute,omitzero"` // absent in what earlier versions stored
}

func (t Transition) json() transitionJSON {
	return transitionJSON{
		t.ID, t.Rule, labelMap(t.Labels), t.From, t.To, t.Since, t.At, number(t.Value), t.Text,
		t.Flap, t.Expr, t.Annotations, t.Mute.Muted(), t.Mute,
	}
}

// MarshalJSON implements json.Marshaler.
func (t Transition) MarshalJSON() ([]byte, error) { return json.Marshal(t.json()) }

// UnmarshalJSON implements json.Unmarshaler.
func (t *Transition) UnmarshalJSON(b []byte) error {
	var j transitionJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	*t = j.transition()
	return nil
}

func (j transitionJSON) transition() Transition {
	if j.Muted && !j.Mute.Muted() {
		j.Mute.Reason = Silenced // there was no other reason
	}
	return Transition{
		j.ID, j.Rule, rrd.Labels(j.Labels), j.From, j.To, j.Since, j.At, float64(j.Value), j.Text,
		j.Flap, j.Expr, j.Annotations, j.Mute,
	}
}

// itemJSON is the form of an item in the store.
type itemJSON struct {
	transitionJSON
	Queued time.Time `json:"queued,omitzero"` // absent in what earlier versions stored
}

func (it *item) encode() ([]byte, error) { return json.Marshal(itemJSON{it.t.json(), it.queued}) }

func decodeItem(key string, b []byte) (*item, error) {
	var j itemJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return nil, fmt.Errorf("alerts: stored outbox: %w", err)
	}
	return newItem(key, j.transition(), cmp.Or(j.Queued, j.At)), nil
}

// viewJSON is the form of a View in the API.
type viewJSON struct {
	Rule      string    `json:"rule"`
	Labels    labelMap  `json:"labels"`
	Severity  Status    `json:"severity"`
	Status    Status    `json:"status"`
	Hard      bool      `json:"hard"`
	Attempts  int       `json:"attempts"`
	Max       int       `json:"max_attempts"`
	Since     time.Time `json:"since,omitzero"`
	Value     number    `json:"value"`
	Missing   bool      `json:"missing,omitempty"`
	Text      string    `json:"text"`
	Expr      string    `json:"expr,omitempty"`
	Raise     number    `json:"raise"`
	Clear     number    `json:"clear"`
	Silenced  bool      `json:"silenced,omitempty"` // muted, but not acknowledged
	Mute      Mute      `json:"mute,omitzero"`
	LastCheck time.Time `json:"last_check,omitzero"`
	Flapping  bool      `json:"flapping,omitempty"`
	Change    float64   `json:"state_change,omitempty"` // percent
	Ack       *Ack      `json:"ack,omitempty"`
	Launch    Answer    `json:"launch"`
	Terminate Answer    `json:"terminate"`
	CheckErr  string    `json:"check_error,omitempty"`
}

// MarshalJSON implements json.Marshaler.
func (v View) MarshalJSON() ([]byte, error) {
	return json.Marshal(viewJSON{
		v.Rule, labelMap(v.Labels), v.Severity, v.Status, v.Hard, v.Attempts, v.Max, v.Since,
		number(v.Value), v.Missing, v.Text, v.Expr, number(v.Raise), number(v.Clear), v.Mute.Quiet(), v.Mute,
		v.LastCheck, v.Flapping, v.Change, v.Ack, v.Launch, v.Terminate, v.CheckErr,
	})
}

// recordJSON is the form of a record in the store.
type recordJSON struct {
	Rule    string      `json:"rule"`
	Labels  labelMap    `json:"labels"`
	State   State       `json:"state"`
	Told    Status      `json:"told"`
	Flaps   bool        `json:"flaps,omitempty"`
	Held    bool        `json:"held,omitempty"`
	Last    *Transition `json:"last,omitempty"`
	Ack     *Ack        `json:"ack,omitempty"`
	Gone    time.Time   `json:"gone,omitzero"`
	ByError bool        `json:"by_error,omitempty"`
}

func (r record) encode(rule string) ([]byte, error) {
	return json.Marshal(recordJSON{rule, labelMap(r.labels), r.state.stored(), r.told, r.flaps, r.held, r.last, r.ack, r.gone, r.byError})
}

func decodeRecord(b []byte) (rule string, r record, err error) {
	var j recordJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return "", record{}, fmt.Errorf("alerts: stored state: %w", err)
	}
	return j.Rule, record{
		labels: rrd.Labels(j.Labels), state: j.State.Resume(), told: j.Told, flaps: j.Flaps, held: j.Held, last: j.Last,
		ack: j.Ack, gone: j.Gone, byError: j.ByError,
	}, nil
}
