package fleet

import "strings"

// A Directory finds hosts by the names that messages carry.
type Directory map[string]Host

// NewDirectory lists hosts by their names, with and without domain, in any case.
func NewDirectory(hosts []Host) Directory {
	d := make(Directory, 2*len(hosts))
	for _, h := range hosts {
		id := strings.ToLower(h.ID)
		if s := short(id); d[s].ID == "" {
			d[s] = h
		}
		d[id] = h
	}
	return d
}

// Find finds a host by a name.
func (d Directory) Find(name string) (Host, bool) {
	name = strings.ToLower(name)
	if h, ok := d[name]; ok {
		return h, true
	}
	h, ok := d[short(name)]
	return h, ok
}
