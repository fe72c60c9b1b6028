package dispatch

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"rondo/alerts"
	"rondo/alerts/notify"
	"rondo/alerts/state"
	"rondo/rrd"
)

// Keys in the state store; see doc.go.
const (
	groupPrefix  = "dispatch/group/"  // ID of the group
	alertPrefix  = "dispatch/alert/"  // ID of the group / fingerprint
	toldPrefix   = "dispatch/told/"   // ID of the group / receiver / number of the digest
	digestPrefix = "dispatch/digest/" // receiver: number of its newest digest
	outPrefix    = "dispatch/out/"    // receiver / number
	flightPrefix = "dispatch/flight/" // receiver: key of what is being sent
	takenKey     = "dispatch/taken"   // hashes of the IDs of the newest transitions
)

// groupID names a group in the store: a hash of its route and its labels.
func groupID(route string, labels rrd.Labels) string {
	h := sha256.Sum256([]byte(route + "\x00" + labels.String()))
	return hex.EncodeToString(h[:16])
}

func alertKey(group string, id uint64) string {
	return fmt.Sprintf("%s%s/%016x", alertPrefix, group, id)
}

func toldKey(group, receiver string, digest uint64) string {
	return fmt.Sprintf("%s%s/%s/%016x", toldPrefix, group, receiver, digest)
}

func outKey(receiver string, seq uint64) string {
	return fmt.Sprintf("%s%s/%016x", outPrefix, receiver, seq)
}

// splitKey takes a key apart: what stands between its prefix and its last
// slash, and the hexadecimal number behind that.
func splitKey(prefix, key string) (of string, n uint64, err error) {
	rest := strings.TrimPrefix(key, prefix)
	i := strings.LastIndexByte(rest, '/')
	if i < 0 {
		return "", 0, fmt.Errorf("dispatch: key %q has no number", key)
	}
	n, err = strconv.ParseUint(rest[i+1:], 16, 64)
	if err != nil {
		return "", 0, fmt.Errorf("dispatch: key %q: %w", key, err)
	}
	return rest[:i], n, nil
}

// groupJSON is the form of a group in the store, without its alerts.
type groupJSON struct {
	Route  string            `json:"route"` // Route.ID
	Key    string            `json:"key"`   // Route.Key
	Labels map[string]string `json:"labels"`
	Next   time.Time         `json:"next"`
}

// toldJSON is the form of Told in the store. Sets of fingerprints are bytes,
// eight for each, so that the largest group there can be fits into one value.
type toldJSON struct {
	At       time.Time `json:"at"`
	Since    time.Time `json:"since,omitzero"`
	Firing   []byte    `json:"firing,omitempty"`
	Resolved []byte    `json:"resolved,omitempty"`
	Digest   uint64    `json:"digest,omitempty"`
	ByDigest bool      `json:"by_digest,omitempty"`
}

func (t Told) encode() ([]byte, error) {
	return json.Marshal(toldJSON{t.At, t.Since, packIDs(t.Firing), packIDs(t.Resolved), t.Digest, t.ByDigest})
}

func decodeTold(b []byte) (Told, error) {
	var j toldJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return Told{}, fmt.Errorf("dispatch: stored notice log: %w", err)
	}
	return Told{j.At, j.Since, unpackIDs(j.Firing), unpackIDs(j.Resolved), j.Digest, j.ByDigest}, nil
}

func packIDs(set map[uint64]bool) (b []byte) {
	for _, id := range slices.Sorted(maps.Keys(set)) {
		b = binary.BigEndian.AppendUint64(b, id)
	}
	return b
}

func unpackIDs(b []byte) map[uint64]bool {
	set := make(map[uint64]bool, len(b)/8)
	for ; len(b) >= 8; b = b[8:] {
		set[binary.BigEndian.Uint64(b)] = true
	}
	return set
}

func packTaken(hashes [][sha256.Size]byte) []byte {
	b := make([]byte, 0, len(hashes)*sha256.Size)
	for _, h := range hashes {
		b = append(b, h[:]...)
	}
	return b
}

func unpackTaken(b []byte) (hashes [][sha256.Size]byte) {
	for ; len(b) >= sha256.Size; b = b[sha256.Size:] {
		hashes = append(hashes, [sha256.Size]byte(b))
	}
	return hashes
}

// alertJSON is the form of an alert in the store, in a group or in a notice.
type alertJSON struct {
	Transition   string            `json:"transition"`
	Labels       map[string]string `json:"labels"`
	Severity     alerts.Status     `json:"severity"`
	Annotations  map[string]string `json:"annotations,omitempty"`
	Starts       time.Time         `json:"starts"`
	Ends         time.Time         `json:"ends,omitzero"`
	Value        string            `json:"value"` // a number, also NaN
	Text         string            `json:"text"`
	Expr         string            `json:"expr,omitempty"`
	GeneratorURL string            `json:"url,omitempty"`
	Fingerprint  string            `json:"fingerprint,omitempty"`
	Rule         string            `json:"rule,omitempty"`
	Of           map[string]string `json:"of,omitempty"`
}

func storedAlert(a notify.Alert) alertJSON {
	return alertJSON{
		Transition: a.Transition, Labels: alerts.MapOf(a.Labels), Severity: a.Severity, Annotations: a.Annotations,
		Starts: a.Starts, Ends: a.Ends, Value: strconv.FormatFloat(a.Value, 'g', -1, 64), Text: a.Text,
		Expr: a.Expr, GeneratorURL: a.GeneratorURL, Fingerprint: a.Fingerprint,
	}
}

func (j alertJSON) alert() notify.Alert {
	value, err := strconv.ParseFloat(j.Value, 64)
	if err != nil {
		value = math.NaN()
	}
	return notify.Alert{
		Transition: j.Transition, Labels: alerts.NewLabels(j.Labels), Severity: j.Severity, Annotations: j.Annotations,
		Starts: j.Starts, Ends: j.Ends, Value: value, Text: j.Text,
		Expr: j.Expr, GeneratorURL: j.GeneratorURL, Fingerprint: j.Fingerprint,
	}
}

func (a *Alert) encode() ([]byte, error) {
	j := storedAlert(a.Alert)
	j.Fingerprint, j.Rule, j.Of = "", a.Rule, alerts.MapOf(a.Of)
	return json.Marshal(j)
}

func decodeAlert(b []byte) (*Alert, error) {
	var j alertJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return nil, fmt.Errorf("dispatch: stored alert: %w", err)
	}
	return newAlert(j.alert(), j.Rule, alerts.NewLabels(j.Of)), nil
}

// noticeJSON is the form of a notice in the outbox.
type noticeJSON struct {
	Key         string            `json:"key"`
	Receiver    string            `json:"receiver"`
	GroupKey    string            `json:"group_key"`
	GroupLabels map[string]string `json:"group_labels,omitempty"`
	Common      map[string]string `json:"common_labels,omitempty"`
	Annotations map[string]string `json:"common_annotations,omitempty"`
	Reason      string            `json:"reason"`
	At          time.Time         `json:"at"`
	ExternalURL string            `json:"external_url,omitempty"`
	Alerts      []alertJSON       `json:"alerts"`
	Truncated   int               `json:"truncated,omitempty"`
	RootCause   string            `json:"root_cause,omitempty"`
}

func encodeNotice(n notify.Notice) ([]byte, error) {
	j := noticeJSON{
		n.Key, n.Receiver, n.GroupKey, alerts.MapOf(n.GroupLabels), alerts.MapOf(n.CommonLabels), n.CommonAnnotations,
		n.Reason, n.At, n.ExternalURL, nil, n.Truncated, n.RootCause,
	}
	for _, a := range n.Alerts {
		j.Alerts = append(j.Alerts, storedAlert(a))
	}
	return json.Marshal(j)
}

func decodeNotice(b []byte) (notify.Notice, error) {
	var j noticeJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return notify.Notice{}, fmt.Errorf("dispatch: stored notice: %w", err)
	}
	n := notify.Notice{
		Key: j.Key, Receiver: j.Receiver, GroupKey: j.GroupKey, GroupLabels: alerts.NewLabels(j.GroupLabels),
		CommonLabels: alerts.NewLabels(j.Common), CommonAnnotations: j.Annotations, Reason: j.Reason, At: j.At,
		ExternalURL: j.ExternalURL, Truncated: j.Truncated, RootCause: j.RootCause,
	}
	for _, a := range j.Alerts {
		n.Alerts = append(n.Alerts, a.alert())
	}
	return n, nil
}

// A batch gathers changes into writes as large as the store takes them. What
// is added together is written together.
type batch struct {
	write   func([]state.Change) error
	changes []state.Change
	size    int
	then    []func()
}

// add takes changes that belong together, and what is to be done once they are
// on disk; nil for nothing.
func (b *batch) add(then func(), changes ...state.Change) error {
	size := 0
	for _, c := range changes {
		size += len(c.Key) + len(c.Value)
	}
	if len(b.changes)+len(changes) > state.MaxChanges || b.size+size > state.MaxBatch {
		if err := b.commit(); err != nil {
			return err
		}
	}
	b.changes = append(b.changes, changes...)
	b.size += size
	if then != nil {
		b.then = append(b.then, then)
	}
	return nil
}

// commit writes what was gathered.
func (b *batch) commit() error {
	if len(b.changes) > 0 {
		if err := b.write(b.changes); err != nil {
			return err
		}
	}
	for _, f := range b.then {
		f()
	}
	b.changes, b.then, b.size = nil, nil, 0
	return nil
}
