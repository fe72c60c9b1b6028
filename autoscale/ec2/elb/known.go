package elb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"

	"rondo/alerts/state"
)

// known is what was registered by us or seen as a member, by what names the
// target: the instance's ID. It is in the state store, since of an instance
// that is over nobody else knows the address.
type known struct {
	store state.Store
	at    string // prefix of the keys
	ids   map[string]string
}

// maxKnown bounds what is remembered of one target group: twice AWS's quota of
// targets.
const maxKnown = 2000

// A mark is what the store keeps of a target.
type mark struct {
	Instance string `json:"instance"`
}

// newKnown reads what was noted of a binding's targets. A mark that is damaged
// is dropped: its target is nobody's then, and left alone.
func newKnown(store state.Store, b Binding, log *slog.Logger) (*known, error) {
	k := &known{store: store, at: "elb/" + b.TargetGroup + "/" + b.Group + "/", ids: make(map[string]string)}
	for e, err := range store.Scan(state.Range{Prefix: k.at}) {
		var m mark
		switch {
		case errors.Is(err, state.ErrCorrupt):
		case err != nil:
			return nil, fmt.Errorf("elb: what was registered at %s: %w", b.TargetGroup, err)
		default:
			err = json.Unmarshal(e.Value, &m)
		}
		if err != nil {
			log.Warn("a target that was registered is forgotten", "key", e.Key, "err", err)
			continue
		}
		k.ids[strings.TrimPrefix(e.Key, k.at)] = m.Instance
	}
	return k, nil
}

// add notes targets before they are registered.
func (k *known) add(ctx context.Context, ids map[string]string) error {
	var changes []state.Change
	for name, id := range ids {
		if k.ids[name] == id {
			continue
		}
		b, err := json.Marshal(mark{id})
		if err != nil {
			return fmt.Errorf("elb: %w", err)
		}
		changes = append(changes, state.Put(k.at+name, b))
	}
	if len(changes) == 0 {
		return nil
	}
	if len(k.ids)+len(changes) > maxKnown {
		return fmt.Errorf("elb: %d targets of one target group are remembered, and there is no room for %d more", len(k.ids), len(changes))
	}
	if err := k.store.Write(ctx, changes...); err != nil {
		return fmt.Errorf("elb: %w", err)
	}
	maps.Copy(k.ids, ids)
	return nil
}

// forget drops what neither is a target nor a member.
func (k *known) forget(ctx context.Context, keep func(name string) bool) error {
	var changes []state.Change
	var over []string
	for name := range k.ids {
		if !keep(name) {
			over = append(over, name)
			changes = append(changes, state.Delete(k.at+name))
		}
	}
	if len(changes) == 0 {
		return nil
	}
	if err := k.store.Write(ctx, changes...); err != nil {
		return fmt.Errorf("elb: %w", err)
	}
	for _, name := range over {
		delete(k.ids, name)
	}
	return nil
}
