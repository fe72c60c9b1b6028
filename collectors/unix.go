package collectors

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"time"
)

// ListenUnix binds a unix socket that only those whom mode names may open. A
// socket that nobody answers is left over from a crash and is removed; any
// other file is not ours to remove. Whoever serves the listener closes it.
func ListenUnix(ctx context.Context, path string, mode fs.FileMode) (net.Listener, error) {
	st, err := os.Lstat(path)
	switch {
	case err == nil && st.Mode()&fs.ModeSocket == 0:
		return nil, fmt.Errorf("%s is in the way: it is no socket", path)
	case err == nil:
		d := net.Dialer{Timeout: time.Second}
		if c, err := d.DialContext(ctx, "unix", path); err == nil {
			return nil, errors.Join(fmt.Errorf("%s: another program answers there", path), c.Close())
		}
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, mode); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}
