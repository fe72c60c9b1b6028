package fleet

import (
	"context"
	"strings"
	"time"
)

// A binding is what Bind said of a host that was not heard of yet.
type binding struct {
	instance string
	at       time.Time
}

// Bind says which EC2 instance a host is. Another instance under the name of
// a withdrawn host makes the host expected again.
func (f *Fleet) Bind(host, instance string) {
	f.mu.Lock()
	e := f.find(host)
	switch {
	case e == nil:
		f.remember(short(host), instance)
	case e != nil:
		f.bind(e, instance)
	}
	f.mu.Unlock()
	f.save(context.Background())
}

// remember keeps what Bind said until the host is heard of. Beyond MaxHosts the
// oldest goes, counted. The caller holds f.mu.
func (f *Fleet) remember(name, instance string) {
	f.bound[name] = binding{instance, time.Now()}
	if len(f.bound) <= f.o.MaxHosts {
		return
	}
	oldest := name
	for n, b := range f.bound {
		if b.at.Before(f.bound[oldest].at) {
			oldest = n
		}
	}
	delete(f.bound, oldest)
	f.unbound.Add(1)
}

// bind puts an instance on a host. The caller holds f.mu.
func (f *Fleet) bind(e *entry, instance string) {
	if instance == "" || e.Instance == instance {
		return
	}
	if e.Instance != "" {
		delete(f.aliases, e.Instance)
		if !e.Withdrawn.IsZero() {
			f.expect(e)
			e.FirstSeen = time.Now() // another machine, which has the time to boot
		}
	}
	e.Instance = strings.Clone(instance)
	f.aliases[e.Instance] = e.ID
	f.dirty[e.ID] = true
}
