package logstore

import (
	"container/list"
	"sync"

	"rondo/syslogd/logstore/chunk"
)

// catalogueCache keeps the catalogues that were used last. What it may hold
// is in bytes: some chunks have a thousand times the types of others.
type catalogueCache struct {
	most int // bytes

	mu     sync.Mutex
	bytes  int
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
	for c.bytes += cat.Bytes(); c.bytes > c.most; {
		oldest := c.recent.Remove(c.recent.Back()).(cached)
		delete(c.byInfo, oldest.info)
		c.bytes -= oldest.cat.Bytes()
	}
}
