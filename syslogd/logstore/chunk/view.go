package chunk

import (
	"unsafe"

	"github.com/zeebo/xxh3"
)

// view is the string of bytes that do not change while it is used.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

func hashBytes(b []byte) uint64 { return xxh3.Hash(b) }
