package backup

import (
	"context"
	"fmt"
	"path"
	"time"
)

// grace is how long an object that no manifest names stays: a backup under way
// may just have sent it.
const grace = 24 * time.Hour

// prune removes all but the newest backups, and then the objects that none
// needs. It removes no object unless every manifest that stays can be read.
func prune(ctx context.Context, t Target, keep int, now time.Time) error {
	all, err := List(ctx, t)
	if err != nil {
		return err
	}
	for keep > 0 && len(all) > keep {
		if err := t.Delete(ctx, all[0].Name); err != nil {
			return err
		}
		all = all[1:]
	}
	needed := map[string]bool{}
	for _, b := range all {
		m, err := Load(ctx, t, b)
		if err != nil {
			return fmt.Errorf("no objects are removed: %w", err)
		}
		for i := range m.Objects {
			needed[m.Objects[i].Name] = true
		}
	}
	for _, prefix := range []string{objectDir, tmpDir + "/"} {
		var idle []string
		err := t.List(ctx, prefix, func(name string, _ int64, changed time.Time) error {
			if !needed[path.Base(name)] && now.Sub(changed) > grace {
				idle = append(idle, name)
			}
			return nil
		})
		if err != nil {
			return err
		}
		for _, name := range idle {
			if err := t.Delete(ctx, name); err != nil {
				return err
			}
		}
	}
	return nil
}
