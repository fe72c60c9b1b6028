//go:build !linux

package host

import (
	"fmt"
	"runtime"

	"rondo/collectors"
)

func build(collectors.Env, Config) (collectors.Collector, error) {
	return nil, fmt.Errorf("host: unsupported on %s: only Linux tells in /proc", runtime.GOOS)
}
