package logstore

import (
	"container/list"
	"sync"

	"rondo/syslogd/logstore/chunk"
)

// catalogueCache keeps the catalogues that were used last.
type catalogueCache struct {
	most int

	mu     sync.Mutex
	byInfo map[*chunkInfo]*list.Element
	recent *list.List // of cached, newest first
}

type cached struct {
	info *chunkInfo
	cat  *chunk.Catalogue
}

func newCatalogueCache(most int) *catalogueCache {
	return &catalogueCache{most: most, byInfo: map[*chunkInfo]*list.Element{}, recent: list.New()}
}

func (c *catalogueCache) get(i *chunkInfo) *chunk.Catalogue {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.byInfo[i]
	if e == nil {
		return nil
	}
	c.recent.MoveToFront(e)
	return e.Value.(cached).cat
}

func (c *catalogueCache) put(i *chunkInfo, cat *chunk.Catalogue) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byInfo[i] != nil {
		return
	}
	c.byInfo[i] = c.recent.PushFront(cached{i, cat})
	if c.recent.Len() > c.most {
		delete(c.byInfo, c.recent.Remove(c.recent.Back()).(cached).info)
	}
}
