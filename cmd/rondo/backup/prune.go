package backup

import (
	"context"
	"fmt"
	"path"
	"slices"
	"time"
)

// grace is how long an object that no manifest names stays: a backup under way
// may just have sent it.
const grace = 24 * time.Hour

// prune removes all but the newest backups, and then the objects that none
// needs. It removes no object unless every manifest that stays can be read. The
// backup that was just made stays, also where the clock once was ahead, so that
// others seem newer.
func prune(ctx context.Context, t Target, made string, keep int, now time.Time) error {
	all, err := List(ctx, t)
	if err != nil {
		return err
	}
	for keep > 0 && len(all) > keep {
		oldest := 0
		if all[0].Name == made && len(all) > 1 {
			oldest = 1
		}
		if err := t.Delete(ctx, all[oldest].Name); err != nil {
			return err
		}
		all = slices.Delete(all, oldest, oldest+1)
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
