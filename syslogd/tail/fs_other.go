//go:build !linux

package tail

import (
	"fmt"
	"os"
	"path/filepath"
)

func remote(string) bool { return false }

// Real is where the links of the name that was opened lead to, as long as that
// is this file.
func (f osFile) Real() (string, error) {
	path, err := filepath.EvalSymlinks(f.Name())
	if err != nil {
		return "", err
	}
	there, err := os.Lstat(path)
	if err != nil {
		return "", err
	}
	if here, err := f.File.Stat(); err != nil || !os.SameFile(here, there) {
		return "", fmt.Errorf("%s is another file by now", path)
	}
	return path, nil
}
