package autoscale

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"rondo/alerts/state"
)

// A Log is an append-only sequence of records that survives a restart and
// drops its oldest records by itself. *state.Journal is one.
type Log interface {
	// Append puts a record at the end. It is on disk when Append returns.
	Append(ctx context.Context, record []byte) (seq uint64, err error)
	// After yields the records above seq, oldest first; a damaged one comes
	// with its number and an error.
	After(seq uint64) iter.Seq2[state.Record, error]
}

// OpenLog opens the log that a controller of this configuration needs.
func OpenLog(store state.Store, c Config) (Log, error) {
	log, err := state.OpenJournal(store, "autoscale", c.Keep)
	if err != nil {
		return nil, fmt.Errorf("autoscale: %w", err)
	}
	return log, nil
}

// Kind is what an [Entry] records.
type Kind string

// The kinds of entries.
const (
	KindDecided   Kind = "decided"   // a finished run of the same non-decision
	KindLaunch    Kind = "launch"    // about to launch; the call follows
	KindDrain     Kind = "drain"     // these instances are to go
	KindReplace   Kind = "replace"   // this lost instance is to go, another serves in its place
	KindReclaim   Kind = "reclaim"   // these draining instances stay after all
	KindTerminate Kind = "terminate" // about to terminate; the call follows
	KindOutcome   Kind = "outcome"   // what became of an attempt
	KindHeard     Kind = "heard"     // an instance was heard of for the first time
	KindStop      Kind = "stop"      // the stop switch was pulled
	KindStart     Kind = "start"     // and released
	KindConfig    Kind = "config"    // another configuration is in force
	KindShadow    Kind = "shadow"    // what a shadow has come to
	KindBill      Kind = "bill"      // what a group with a budget has cost so far
	KindClaim     Kind = "claim"     // this controller acts in the group from now on
	KindSweep     Kind = "sweep"     // about to terminate these orphans, by command; the call follows
	KindRetag     Kind = "retag"     // about to put our claim on these instances; the call follows
	KindOrder     Kind = "order"     // somebody has it shut down, or kept up, for a while
	KindRefresh   Kind = "refresh"   // a refresh begins, or its state changes; its launches and drains are those of all
	KindRun       Kind = "run"       // somebody has a command run on instances, or that came to its end
	KindSnapshot  Kind = "snapshot"  // all that older entries of the group amount to
)

// An Entry of the journal, stored as
//
//	<SHA-256 of the rest, 64 hex digits> <the entry as JSON>
//
// Seq and Prev, the hash of the entry before, chain it: whoever changes, drops
// or inserts an entry breaks the chain.
type Entry struct {
	Seq       uint64    `json:"seq"`
	At        time.Time `json:"at"`
	Group     string    `json:"group"`
	Kind      Kind      `json:"kind"`
	Attempt   string    `json:"attempt,omitempty"` // launch, terminate, outcome
	Decision  *Decision `json:"decision,omitempty"`
	Launch    *Launch   `json:"launch,omitempty"`
	Instances []string  `json:"instances,omitempty"`
	RequestID string    `json:"request_id,omitempty"`
	Failure   Failure   `json:"failure,omitempty"` // of an outcome; "" means done
	Again     bool      `json:"again,omitempty"`   // of a launch that had been asked for before
	Text      string    `json:"text,omitempty"`
	Boot      *Boot     `json:"boot,omitempty"` // of heard
	Bill      *bill     `json:"bill,omitempty"` // of bill
	Claim     *Claim    `json:"claim,omitempty"`

	// Of a launch's outcome: what had no room, and where the instances are.
	Refused []Refusal       `json:"refused,omitempty"`
	Where   map[string]Pool `json:"where,omitempty"`
	Ordered int             `json:"ordered,omitempty"` // so many will be listed, which have no IDs yet

	Said  string `json:"said,omitempty"`  // of a run: which command, where, and how it went
	Setup *Setup `json:"setup,omitempty"` // of a configuration
	Shade *shade `json:"shade,omitempty"` // of a shadow

	Order   *Order       `json:"order,omitempty"`   // of an order
	Refresh *RefreshNote `json:"refresh,omitempty"` // of a refresh

	State *memory `json:"state,omitempty"` // of a snapshot
	Prev  string  `json:"prev"`
	Hash  string  `json:"-"`
}

// hashLen is the length of a hash in hex digits.
const hashLen = 2 * sha256.Size

// encode returns the record of e, and its hash.
func (e Entry) encode() (record []byte, hash string, err error) {
	b, err := json.Marshal(e)
	if err != nil {
		return nil, "", err
	}
	sum := sha256.Sum256(b)
	hash = hex.EncodeToString(sum[:])
	return slices.Concat([]byte(hash), []byte{' '}, b), hash, nil
}

// decodeEntry reads a record. An entry whose hash is wrong comes with ErrChain.
func decodeEntry(record []byte) (Entry, error) {
	var e Entry
	if len(record) <= hashLen {
		return e, fmt.Errorf("%w: record of %d bytes", ErrChain, len(record))
	}
	e.Hash = string(record[:hashLen])
	body := record[hashLen+1:]
	if err := json.Unmarshal(body, &e); err != nil {
		return e, fmt.Errorf("%w: %w", ErrChain, err)
	}
	if sum := sha256.Sum256(body); hex.EncodeToString(sum[:]) != e.Hash {
		return e, fmt.Errorf("%w: entry %d does not have the hash it was written with", ErrChain, e.Seq)
	}
	return e, e.complete()
}

// complete says which part of an entry is not there.
func (e Entry) complete() error {
	decides := e.Kind == KindDecided || e.Kind == KindLaunch || e.Kind == KindDrain || e.Kind == KindReplace
	missing := decides && e.Decision == nil || e.Kind == KindLaunch && e.Launch == nil || e.Kind == KindHeard && e.Boot == nil ||
		e.Kind == KindBill && e.Bill == nil || e.Kind == KindConfig && e.Setup == nil || e.Kind == KindShadow && e.Shade == nil || e.Kind == KindRefresh && !e.Refresh.complete() || e.Kind == KindClaim && e.Claim == nil || e.Kind == KindOrder && e.Order == nil
	if e.State != nil && e.State.Open != nil {
		open := e.State.Open
		missing = missing || open.Kind != KindLaunch || open.complete() != nil
	}
	if missing {
		return fmt.Errorf("%w: entry %d, %s, is not complete", ErrChain, e.Seq, e.Kind)
	}
	return nil
}

// ErrChain says that the journal was changed from outside, or is damaged.
var ErrChain = errors.New("journal's chain is broken")

// A Journal is the controller's memory: every attempt is in it before its call
// is made, so that a restart finds what may be under way. Its methods may be
// called concurrently.
type Journal struct {
	log Log

	mu   sync.Mutex
	seq  uint64
	prev string
}

// OpenJournal reads the whole journal and returns its entries. Where the chain
// is broken it returns all that is readable, with an error that is ErrChain
// and names the place; the journal can be written all the same.
func OpenJournal(log Log) (*Journal, []Entry, error) {
	j := &Journal{log: log}
	var entries []Entry
	var broken error
	err := j.read(func(e Entry, readable bool, err error) {
		if broken == nil {
			broken = err
		}
		if readable {
			entries = append(entries, e)
		}
	})
	if err != nil {
		return nil, nil, err
	}
	return j, entries, broken
}

// read walks along the chain to its end, and hands over each entry, whether it
// could be read, and what is wrong with it.
func (j *Journal) read(take func(e Entry, readable bool, err error)) error {
	for record, err := range j.log.After(0) {
		if err != nil && record.Seq == 0 {
			return fmt.Errorf("autoscale: journal: %w", err)
		}
		e, bad := decodeEntry(record.Value)
		wrong := cmp.Or(err, bad, j.follow(e))
		if wrong != nil {
			wrong = fmt.Errorf("autoscale: journal: record %d: %w", record.Seq, wrong)
		}
		if e.Seq > 0 {
			j.seq, j.prev = e.Seq, e.Hash
		}
		take(e, err == nil && bad == nil, wrong)
	}
	return nil
}

// A Chain is what a check of the whole journal found.
type Chain struct {
	Entries int      `json:"entries"`
	First   uint64   `json:"first"` // the oldest that is left
	Last    uint64   `json:"last"`
	Hash    string   `json:"hash"`             // of the newest: who keeps it can tell later that nothing before it was changed
	Broken  []string `json:"broken,omitempty"` // each place, at most maxBroken
}

// maxBroken is how many broken places a check names.
const maxBroken = 20

// Check reads the journal as it is on disk and checks each entry's hash and
// place in the chain.
func (j *Journal) Check() (Chain, error) {
	least := j.Seq()
	again := &Journal{log: j.log}
	var c Chain
	wrong := func(text string) {
		if len(c.Broken) < maxBroken {
			c.Broken = append(c.Broken, text)
		}
	}
	err := again.read(func(e Entry, _ bool, err error) {
		c.Entries++
		if c.First == 0 {
			c.First = e.Seq
		}
		if err != nil {
			wrong(err.Error())
		}
	})
	c.Last, c.Hash = again.seq, again.prev
	if c.Last < least {
		wrong(fmt.Sprintf("autoscale: journal: entry %d was written, %d is the last that is there", least, c.Last))
	}
	return c, err
}

// follow checks that e continues the chain. The oldest entry that is left
// after trimming has nothing to be checked against.
func (j *Journal) follow(e Entry) error {
	if j.prev != "" && (e.Prev != j.prev || e.Seq != j.seq+1) {
		return fmt.Errorf("%w: entry %d of %s does not follow entry %d", ErrChain, e.Seq, e.At.Format(time.RFC3339), j.seq)
	}
	return nil
}

// Append seals e to the chain and writes it. It returns the entry as written.
func (j *Journal) Append(ctx context.Context, e Entry) (Entry, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	// Round drops the monotonic clock, so that the entry is the same when read back.
	e.Seq, e.Prev, e.At = j.seq+1, j.prev, e.At.UTC().Round(0)
	record, hash, err := e.encode()
	if err != nil {
		return e, fmt.Errorf("autoscale: journal: %w", err)
	}
	if _, err := j.log.Append(ctx, record); err != nil {
		return e, fmt.Errorf("autoscale: journal: %w", err)
	}
	e.Hash = hash
	j.seq, j.prev = e.Seq, hash
	return e, nil
}

// Seq returns the number of the newest entry.
func (j *Journal) Seq() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.seq
}

// Hash returns the hash of the newest entry.
func (j *Journal) Hash() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.prev
}
