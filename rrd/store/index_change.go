package store

import (
	"slices"

	"rondo/rrd"
)

// remove takes a series out. Values and labels that no series has any more are
// forgotten.
func (x *index) remove(id uint32, k rrd.Key) {
	for _, l := range k.Labels() {
		vs := x.labels[l.Name]
		if vs == nil {
			continue
		}
		ids := vs.ids[l.Value]
		if at, found := slices.BinarySearch(ids, id); found {
			ids = slices.Concat(ids[:at], ids[at+1:])
		}
		if vs.ids[l.Value] = ids; len(ids) > 0 {
			continue
		}
		delete(vs.ids, l.Value)
		vs.mu.Lock()
		without := func(list []string) []string {
			return slices.DeleteFunc(slices.Clone(list), func(v string) bool { return v == l.Value })
		}
		vs.sorted, vs.added = without(vs.sorted), without(vs.added)
		vs.mu.Unlock()
		if len(vs.ids) == 0 {
			delete(x.labels, l.Name)
		}
	}
}
