package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
)

// release is the version of this source; a build from a checkout adds its commit.
const release = "0.1.0"

type versionCmd struct {
	Output string `help:"table or json." short:"o" enum:"table,json" default:"table"`
}

// buildInfo names the build.
type buildInfo struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func build() buildInfo {
	b := buildInfo{Version: release, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && len(s.Value) >= 12 {
				b.Revision = s.Value[:12]
			}
		}
	}
	return b
}

func (c versionCmd) Run(out io.Writer) error {
	b := build()
	if c.Output == "json" {
		return json.NewEncoder(out).Encode(b)
	}
	_, err := fmt.Fprintf(out, "rondo %s %s (%s, %s)\n", b.Version, b.Revision, b.Go, b.Platform)
	return err
}
